"""The parts of the library that do not talk to the host, and storage.

What this line shares with later ones is in `genlayer_core`; contracts know it by the names of this package.
"""

import sys as _sys

from genlayer_core import evm, keccak

_SHARED = ("evm", "keccak", "storage")
_HERE = "storage"


def _share() -> None:
    """Enter the shared modules under the names of this package: importing one of those finds it there."""
    for name, module in list(_sys.modules.items()):
        package, _, below = name.partition(".")
        if package == "genlayer_core" and below.split(".")[0] in _SHARED and below != _HERE:
            _sys.modules[f"{__name__}.{below}"] = module


_share()

from . import calldata, public_abi, storage, types  # noqa: E402

__all__ = ("calldata", "evm", "keccak", "public_abi", "storage", "types")

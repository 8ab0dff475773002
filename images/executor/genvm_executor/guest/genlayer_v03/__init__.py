"""The library that contracts of the second generation import: `import genlayer as gl` (contract-sdk-v03).

In the guest this package is called `genlayer`; it imports its own modules by their place in it only.
"""

from genlayer_core.contract import private, public

from . import calldata, chain, contract, eq_principle, evm, gvm32, message, nondet, storage, types, vm, wasi
from .types import *  # noqa: F403

IS_IN_VM = True

# Storage names it by this path in what it pickled; contracts are not shown it.
globals().pop("inner")

__all__ = (  # noqa: PLE0604
    "calldata",
    "chain",
    "contract",
    "eq_principle",
    "evm",
    "gvm32",
    "message",
    "nondet",
    "private",
    "public",
    "storage",
    "types",
    "vm",
    "wasi",
    *(name for name in types.__all__ if name != "KeccakHash"),
)
del KeccakHash  # noqa: F821

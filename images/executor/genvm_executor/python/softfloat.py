"""The runner `softfloat`: conversions of floats to integers for contracts (contract-sdk-v03.md, 19).

Each is one instruction that means the same on every processor. What else the runner of the reference offers
is not known: a contract that imports it does not link.
"""

from __future__ import annotations

from functools import cache
from itertools import product

from wasmtime import wat2wasm

NAME = "softfloat"
_FLOATS = ("f32", "f64")
_INTEGERS = {"i32": ("i32", "s"), "ui32": ("i32", "u"), "i64": ("i64", "s"), "ui64": ("i64", "u")}
_MODES = {"trunc": "trunc", "sat": "trunc_sat"}
"""`trunc` traps for what has no integer, `sat` gives the nearest one, and 0 for what is no number."""


@cache
def module() -> bytes:
    """The module."""
    functions = "".join(
        f'(func (export "{source}_to_{target}_{mode}") (param {source}) (result {kind})'
        f" ({kind}.{operation}_{source}_{sign} (local.get 0)))"
        for source, (target, (kind, sign)), (mode, operation) in product(
            _FLOATS, _INTEGERS.items(), _MODES.items()
        )
    )
    return bytes(wat2wasm(f"(module {functions})"))

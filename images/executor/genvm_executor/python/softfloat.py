"""The runner `softfloat`: conversions and arithmetic of floats for contracts (contract-sdk-v03 19).

Each is one instruction that means the same on every processor: correctly rounded, to even, and one NaN. The
conversions to integers are as published; of the rest only the style of the names is known. What is none
instruction (remainders, fused steps, flags) is not there: a contract that imports it does not link.
"""

from __future__ import annotations

from functools import cache
from itertools import product

from wasmtime import wat2wasm

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
    return bytes(wat2wasm(f"(module {functions}{_arithmetic()}{_from_integers()})"))


def _arithmetic() -> str:
    """`f64_add`, `f32_le`, `f32_sqrt` and their like: floats in, a float or a truth value out."""
    two = dict.fromkeys(("add", "sub", "mul", "div"), "") | dict.fromkeys(("eq", "lt", "le"), "i32")
    binary = "".join(
        f'(func (export "{kind}_{name}") (param {kind} {kind}) (result {result or kind})'
        f" ({kind}.{name} (local.get 0) (local.get 1)))"
        for kind, (name, result) in product(_FLOATS, two.items())
    )
    roots = "".join(
        f'(func (export "{kind}_sqrt") (param {kind}) (result {kind}) ({kind}.sqrt (local.get 0)))'
        for kind in _FLOATS
    )
    return binary + roots


def _from_integers() -> str:
    """`ui32_to_f64` and its like, and one width of floats to the other."""
    integers = "".join(
        f'(func (export "{source}_to_{target}") (param {kind}) (result {target})'
        f" ({target}.convert_{kind}_{sign} (local.get 0)))"
        for target, (source, (kind, sign)) in product(_FLOATS, _INTEGERS.items())
    )
    return integers + (
        '(func (export "f32_to_f64") (param f32) (result f64) (f64.promote_f32 (local.get 0)))'
        '(func (export "f64_to_f32") (param f64) (result f32) (f32.demote_f64 (local.get 0)))'
    )

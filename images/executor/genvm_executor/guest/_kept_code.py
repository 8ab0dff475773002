"""The form in which a contract's code is kept, where its run cannot tell it from what the compiler made.

What is kept comes back with its sets filled in another order (sorted, so that equal code has equal bytes),
and where two members meet, that is the order in which a set is gone through. A contract that goes through one
would do it as on no other node.
"""

from __future__ import annotations

import marshal
import opcode
from types import CodeType
from typing import Any

_EXTENDED, _LOAD, _CONTAINS = (opcode.opmap[name] for name in ("EXTENDED_ARG", "LOAD_CONST", "CONTAINS_OP"))


def kept_code(source: bytes, path: str) -> bytes:
    """Empty where the code has to be made by each run. Raises what the compiler raises."""
    made = compile(source, path, "exec", dont_inherit=True)
    kept = marshal.dumps(made)
    return kept if _same_order(made, marshal.loads(kept)) else b""  # noqa: S302 - our own bytes


def _same_order(made: CodeType, loaded: CodeType) -> bool:
    """Whether no set that the code may go through comes back in another order."""
    asked = _only_asked(made)
    for at, (one, other) in enumerate(zip(made.co_consts, loaded.co_consts, strict=True)):
        if isinstance(one, CodeType):
            if not _same_order(one, other):
                return False
        elif at not in asked and _members(one) != _members(other):
            return False
    return True


def _members(constant: Any) -> Any:
    """With sets as they are gone through."""
    if isinstance(constant, frozenset | tuple):
        return [_members(one) for one in constant]
    return repr(constant)


def _only_asked(code: CodeType) -> frozenset[int]:
    """Constants that are nothing but looked into (`x in {…}`), which has no order."""
    loads: dict[int, list[bool]] = {}
    words, argument = code.co_code, 0
    for at in range(0, len(words) - 2, 2):
        argument = argument << 8 | words[at + 1]
        if words[at] == _EXTENDED:
            continue
        if words[at] == _LOAD:
            loads.setdefault(argument, []).append(words[at + 2] == _CONTAINS)
        argument = 0
    return frozenset(at for at, uses in loads.items() if all(uses))

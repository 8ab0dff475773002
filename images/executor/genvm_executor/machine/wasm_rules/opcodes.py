"""The instructions of core WebAssembly as tables: immediates, what they take and give, which compute floats.

Names and numbers are those of the specification's binary format (release 3, without what the engine has off).
"""

from __future__ import annotations

from typing import Final

UNREACHABLE, NOP, BLOCK, LOOP, IF, ELSE, END = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0B
BR, BR_IF, BR_TABLE, RETURN = 0x0C, 0x0D, 0x0E, 0x0F
CALL, CALL_INDIRECT, RETURN_CALL, RETURN_CALL_INDIRECT = 0x10, 0x11, 0x12, 0x13
SELECT_TYPED = 0x1C
GLOBAL_GET, GLOBAL_SET = 0x23, 0x24
I32_CONST, I64_CONST, F32_CONST, F64_CONST = 0x41, 0x42, 0x43, 0x44
I32_LT_S, I32_ADD, I32_SUB, I32_OR = 0x48, 0x6A, 0x6B, 0x72
BULK, VECTOR = 0xFC, 0xFD
"""Prefixes: the instruction's number follows."""

VECTOR_CONST, VECTOR_SHUFFLE = 12, 13


def _span(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(number for first, last in ranges for number in range(first, last + 1))


LEB_IMMEDIATES: Final[dict[int, int]] = {
    **dict.fromkeys((BR, BR_IF, CALL, RETURN_CALL, 0x3F, 0x40, 0xD0, 0xD2), 1),
    **dict.fromkeys(range(0x20, 0x27), 1),
    **dict.fromkeys((CALL_INDIRECT, RETURN_CALL_INDIRECT), 2),
    **dict.fromkeys(range(0x28, 0x3F), 2),
    **dict.fromkeys((I32_CONST, I64_CONST), 1),
}
"""How many LEB128 numbers follow an opcode; loads and stores have alignment and offset."""
BULK_IMMEDIATES: Final = {8: 2, 9: 1, 10: 2, 11: 1, 12: 2, 13: 1, 14: 2, 15: 1, 16: 1, 17: 1}
VECTOR_MEMORY: Final = _span((0, 11), (92, 93))
"""Vector loads and stores: alignment and offset."""
VECTOR_MEMORY_LANE: Final = _span((84, 91))
"""The same and a lane byte."""
VECTOR_LANE: Final = _span((21, 34))
"""Extract and replace: a lane byte."""

_TAKES_TWO: Final = _span((0x46, 0x4F), (0x51, 0x66), (0x6A, 0x78), (0x7C, 0x8A), (0x92, 0x98), (0xA0, 0xA6))
_TAKES_ONE: Final = _span(
    (0x28, 0x35), (0x67, 0x69), (0x79, 0x7B), (0x8B, 0x91), (0x99, 0x9F), (0xA7, 0xC4)
) | frozenset({0x22, 0x25, 0x40, 0x45, 0x50, 0xD1})
PLAIN_CONTROL: Final = frozenset({UNREACHABLE, ELSE, END, RETURN})
"""What changes control and has no immediate."""
STACK_EFFECTS: Final[dict[int, tuple[int, int]]] = {
    NOP: (0, 0),
    **dict.fromkeys(_TAKES_TWO, (2, 1)),
    **dict.fromkeys(_TAKES_ONE, (1, 1)),
    **dict.fromkeys((0x1B, SELECT_TYPED), (3, 1)),
    **dict.fromkeys((0x1A, 0x21, 0x24), (1, 0)),
    **dict.fromkeys(range(0x36, 0x3F), (2, 0)),
    **dict.fromkeys((0x20, 0x23, 0x3F, I32_CONST, I64_CONST, F32_CONST, F64_CONST, 0xD0, 0xD2), (0, 1)),
    0x26: (2, 0),
}
"""Opcode → values taken and given, of all that do not change control."""
BULK_EFFECTS: Final = {
    **dict.fromkeys(range(8), (1, 1)),
    **dict.fromkeys((8, 10, 11, 12, 14, 17), (3, 0)),
    **dict.fromkeys((9, 13), (0, 0)),
    15: (2, 1),
    16: (0, 1),
}
_VECTOR_UNARY: Final = _span(
    (0, 10),
    (15, 20),
    (92, 100),
    (103, 106),
    (116, 117),
    (124, 129),
    (131, 132),
    (135, 138),
    (160, 164),
    (167, 170),
    (192, 196),
    (199, 202),
    (224, 227),
    (236, 239),
    (248, 255),
) | frozenset({21, 22, 24, 25, 27, 29, 31, 33, 77, 83, 122, 148})


def vector_effect(number: int) -> tuple[int, int]:
    """Values that a vector instruction takes and gives."""
    if number in _VECTOR_UNARY:
        return 1, 1
    if number == VECTOR_CONST:
        return 0, 1
    if number == 82:
        return 3, 1
    return (2, 0) if number == 11 or 88 <= number <= 91 else (2, 1)


FLOAT_ARITHMETIC: Final = _span((0x5B, 0x66), (0x8D, 0x97), (0x9B, 0xA5), (0xA8, 0xAB), (0xAE, 0xBB))
"""Comparisons, rounding, arithmetic, conversions; not constants, loads, stores, sign bits and bit casts."""
BULK_FLOAT_ARITHMETIC: Final = _span((0, 7))
VECTOR_FLOAT_ARITHMETIC: Final = _span(
    (65, 76), (94, 95), (103, 106), (116, 117), (227, 235), (239, 255)
) | frozenset({122, 148})

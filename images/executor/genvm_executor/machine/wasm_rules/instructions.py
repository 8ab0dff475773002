"""Walking the instructions of one function body of a module that is known to be valid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from genvm_executor.machine.wasm_binary import UnexpectedModule, read_uleb
from genvm_executor.machine.wasm_rules import opcodes as op
from genvm_wire.records import record

Signature = tuple[int, int]
"""How many values a function or a block takes and gives."""


@record
class Callees:
    """The signatures of the module's types, and of its functions by number."""

    types: Sequence[Signature]
    functions: Sequence[Signature]


class Instruction(NamedTuple):
    """A tuple, for there are a million in a large module.

    `number` is the second part of a prefixed opcode, `immediate` the first number behind an opcode.
    """

    start: int
    end: int
    opcode: int
    number: int = 0
    immediate: int = 0


def is_float_arithmetic(opcode: int, number: int) -> bool:
    """Whether an instruction computes with floats; `number` is that behind a prefix."""
    if opcode == op.BULK:
        return number in op.BULK_FLOAT_ARITHMETIC
    if opcode == op.VECTOR:
        return number in op.VECTOR_FLOAT_ARITHMETIC
    return opcode in op.FLOAT_ARITHMETIC


def instructions(body: bytes, at: int) -> Iterator[Instruction]:
    """All from offset `at` to the body's end, the function's own `end` included. Raises UnexpectedModule."""
    size = len(body)
    while at < size:
        found = _read(body, at)
        yield found
        at = found.end
    if at != size:
        raise UnexpectedModule("an instruction goes past its function")


def skip_numbers(body: bytes, at: int, count: int) -> int:
    """The offset behind `count` LEB128 numbers."""
    for _ in range(count):
        while body[at] & 0x80:
            at += 1
        at += 1
    return at


def _read(body: bytes, start: int) -> Instruction:
    opcode, at = body[start], start + 1
    if opcode in op.LEB_IMMEDIATES:
        immediate, _ = read_uleb(body, at)
        end = skip_numbers(body, at, op.LEB_IMMEDIATES[opcode])
        return Instruction(start, end, opcode, immediate=immediate)
    match opcode:
        case op.BLOCK | op.LOOP | op.IF:
            return _block(body, start)
        case op.F32_CONST:
            return Instruction(start, at + 4, opcode)
        case op.F64_CONST:
            return Instruction(start, at + 8, opcode)
        case op.BR_TABLE:
            count, at = read_uleb(body, at)
            return Instruction(start, skip_numbers(body, at, count + 1), opcode)
        case op.SELECT_TYPED:
            count, at = read_uleb(body, at)
            return Instruction(start, at + count, opcode)
        case op.BULK:
            number, at = read_uleb(body, at)
            end = skip_numbers(body, at, op.BULK_IMMEDIATES.get(number, 0))
            return Instruction(start, end, opcode, number)
        case op.VECTOR:
            number, at = read_uleb(body, at)
            return Instruction(start, _vector_end(body, at, number), opcode, number)
    if opcode not in op.STACK_EFFECTS and opcode not in op.PLAIN_CONTROL:
        raise UnexpectedModule(f"unknown instruction {opcode:#x}")
    return Instruction(start, at, opcode)


EMPTY_TYPE, VALUE_TYPE = -1, -2
"""The `immediate` of a block without values, or with one result; else the number of its type."""


def _block(body: bytes, start: int) -> Instruction:
    first = body[start + 1]
    if first == 0x40:
        return Instruction(start, start + 2, body[start], immediate=EMPTY_TYPE)
    # A negative signed number of one byte is a value type; anything else counts types.
    if first & 0xC0 == 0x40:
        return Instruction(start, start + 2, body[start], immediate=VALUE_TYPE)
    number, end = read_uleb(body, start + 1)
    return Instruction(start, end, body[start], immediate=number)


def _vector_end(body: bytes, at: int, number: int) -> int:
    if number in op.VECTOR_MEMORY:
        return skip_numbers(body, at, 2)
    if number in op.VECTOR_MEMORY_LANE:
        return skip_numbers(body, at, 2) + 1
    if number in {op.VECTOR_CONST, op.VECTOR_SHUFFLE}:
        return at + 16
    return at + 1 if number in op.VECTOR_LANE else at

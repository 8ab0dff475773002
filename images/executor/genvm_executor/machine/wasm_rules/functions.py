"""One function's body with the rules written into it.

take a frame and the function's slots; trap when there are fewer than none left
block (the function's results)
    the body: `return` leaves the block, a tail call gives back first, float arithmetic is `unreachable`
end
give the frame and the slots back
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from genvm_executor.machine.wasm_binary import UnexpectedModule, read_uleb, sleb, uleb
from genvm_executor.machine.wasm_rules import opcodes as op
from genvm_executor.machine.wasm_rules.instructions import (
    Callees,
    Instruction,
    Signature,
    instructions,
    is_float_arithmetic,
)
from genvm_executor.machine.wasm_rules.stack_depth import StackDepth
from genvm_wire.records import record

MOST_LOCALS = 50_000
_ALWAYS_EDITED = frozenset({op.RETURN, op.RETURN_CALL, op.RETURN_CALL_INDIRECT})


@record
class Counters:
    """Numbers of the two globals that count down: frames and value slots that are left."""

    frames: int
    slots: int


@record
class RuledBody:
    """`float_traps` and `overflow` are the offsets of `unreachable`s in `body`."""

    body: bytes
    float_traps: tuple[int, ...]
    overflow: int


class _Edit(NamedTuple):
    """An instruction to be replaced, and in how many blocks it stands."""

    found: Instruction
    nesting: int


def ruled_body(
    body: bytes, function: Signature, block_type: bytes, callees: Callees, counters: Counters, *, floats: bool
) -> RuledBody:
    """A body of the code section (without its size); `block_type` is that of the function's results.

    With `floats` their arithmetic is left alone. Raises UnexpectedModule.
    """
    local_count, start = _locals(body)
    depth, edits = StackDepth(function, callees), list[_Edit]()
    for found in instructions(body, start):
        opcode = found.opcode
        if opcode in _ALWAYS_EDITED or (not floats and is_float_arithmetic(opcode, found.number)):
            edits.append(_Edit(found, depth.nesting))
        depth.follow(found)
    slots = function[0] + local_count + depth.deepest
    give_back = _count(counters.frames, op.I32_ADD, 1) + _count(counters.slots, op.I32_ADD, slots)
    take = _count(counters.frames, op.I32_SUB, 1) + _count(counters.slots, op.I32_SUB, slots)
    head = body[:start] + take + _any_negative(counters) + bytes((op.IF, 0x40))
    overflow = len(head)
    head += bytes((op.UNREACHABLE, op.END, op.BLOCK)) + block_type
    inner, float_traps = _inner(body, start, edits, give_back)
    return RuledBody(
        body=head + inner + give_back + bytes((op.END,)),
        float_traps=tuple(len(head) + offset for offset in float_traps),
        overflow=overflow,
    )


def _inner(body: bytes, start: int, edits: Sequence[_Edit], give_back: bytes) -> tuple[bytes, list[int]]:
    """The instructions as they go into the block, its `end` included; offsets of float traps in them."""
    out, float_traps, copied = bytearray(), list[int](), start
    for found, nesting in edits:
        out += body[copied : found.start]
        if found.opcode == op.RETURN:
            out += bytes((op.BR,)) + uleb(nesting)
        elif found.opcode in _ALWAYS_EDITED:
            out += give_back + body[found.start : found.end]
        else:
            float_traps.append(len(out))
            out.append(op.UNREACHABLE)
        copied = found.end
    return bytes(out + body[copied:]), float_traps


def _locals(body: bytes) -> tuple[int, int]:
    """(how many, offset behind their declaration). Raises UnexpectedModule."""
    groups, at = read_uleb(body, 0)
    total = 0
    for _ in range(groups):
        count, at = read_uleb(body, at)
        total += count
        at += 1
    if total > MOST_LOCALS:
        raise UnexpectedModule(f"a function has more than {MOST_LOCALS} locals")
    return total, at


def _count(counter: int, operation: int, amount: int) -> bytes:
    number = uleb(counter)
    return (
        bytes((op.GLOBAL_GET,)) + number + bytes((op.I32_CONST,)) + sleb(amount)
        + bytes((operation, op.GLOBAL_SET)) + number
    )  # fmt: skip


def _any_negative(counters: Counters) -> bytes:
    """Or-ing two numbers keeps either's sign."""
    return (
        bytes((op.GLOBAL_GET,)) + uleb(counters.frames) + bytes((op.GLOBAL_GET,)) + uleb(counters.slots)
        + bytes((op.I32_OR, op.I32_CONST, 0, op.I32_LT_S))
    )  # fmt: skip

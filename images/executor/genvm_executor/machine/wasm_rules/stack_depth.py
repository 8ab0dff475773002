"""How deep a function's operand stack gets, by following its instructions once (the validation algorithm,
counts without types)."""

from __future__ import annotations

from genvm_executor.machine.wasm_rules import opcodes as op
from genvm_executor.machine.wasm_rules.instructions import (
    EMPTY_TYPE,
    VALUE_TYPE,
    Callees,
    Instruction,
    Signature,
)
from genvm_wire.records import mutable


@mutable
class _Block:
    base: int
    """height of the stack below what the block takes"""
    takes: int
    gives: int
    dead: bool = False
    """what follows is never executed: what it takes may not be there"""


class StackDepth:
    """Feed it a function's instructions; `deepest` is then the most values its stack had."""

    def __init__(self, function: Signature, callees: Callees) -> None:
        self._callees = callees
        self._blocks = [_Block(0, 0, function[1])]
        self._height = 0
        self.deepest = 0

    @property
    def nesting(self) -> int:
        """Blocks open inside the function: the label that stands for the function itself."""
        return len(self._blocks) - 1

    def follow(self, found: Instruction) -> None:
        effect = op.STACK_EFFECTS.get(found.opcode)
        if effect is not None:
            self._change(*effect)
        else:
            self._follow_rare(found)
        self.deepest = max(self.deepest, self._height)

    def _follow_rare(self, found: Instruction) -> None:
        match found.opcode:
            case op.BLOCK | op.LOOP | op.IF:
                self._open(found)
            case op.ELSE:
                block = self._blocks[-1]
                self._height, block.dead = block.base + block.takes, False
            case op.END:
                block = self._blocks.pop()
                self._height = block.base + block.gives
            case op.UNREACHABLE | op.BR | op.BR_TABLE | op.RETURN | op.RETURN_CALL | op.RETURN_CALL_INDIRECT:
                self._height, self._blocks[-1].dead = self._blocks[-1].base, True
            case _:
                self._change(*self._effect(found))

    def _open(self, found: Instruction) -> None:
        if found.opcode == op.IF:
            self._change(1, 0)
        match found.immediate:
            case value if value == EMPTY_TYPE:
                takes, gives = 0, 0
            case value if value == VALUE_TYPE:
                takes, gives = 0, 1
            case number:
                takes, gives = self._callees.types[number]
        self._change(takes, 0)
        self._blocks.append(_Block(self._height, takes, gives))
        self._height += takes

    def _change(self, takes: int, gives: int) -> None:
        # Dead code may take what is not there; valid live code never goes below its block.
        self._height = max(self._height - takes, self._blocks[-1].base) + gives

    def _effect(self, found: Instruction) -> Signature:
        match found.opcode:
            case op.CALL:
                return self._callees.functions[found.immediate]
            case op.CALL_INDIRECT:
                takes, gives = self._callees.types[found.immediate]
                return takes + 1, gives
            case op.BR_IF:
                return 1, 0
            case op.BULK:
                return op.BULK_EFFECTS[found.number]
        return op.vector_effect(found.number)

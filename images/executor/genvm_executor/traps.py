"""WASM traps in the words of each contract line (spec: host-protocol.md, 11; contract-runtime.md, 10)."""

from __future__ import annotations

from collections.abc import Mapping

from wasmtime import Trap, TrapCode, WasmtimeError

from genvm_executor.wasm_rules import Rule

_V02_NAMES: dict[TrapCode | Rule, str] = {
    TrapCode.STACK_OVERFLOW: "StackOverflow",
    TrapCode.MEMORY_OUT_OF_BOUNDS: "MemoryOutOfBounds",
    TrapCode.HEAP_MISALIGNED: "HeapMisaligned",
    TrapCode.TABLE_OUT_OF_BOUNDS: "TableOutOfBounds",
    TrapCode.INDIRECT_CALL_TO_NULL: "IndirectCallToNull",
    TrapCode.BAD_SIGNATURE: "BadSignature",
    TrapCode.INTEGER_OVERFLOW: "IntegerOverflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "IntegerDivisionByZero",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "BadConversionToInteger",
    TrapCode.UNREACHABLE: "UnreachableCodeReached",
    TrapCode.INTERRUPT: "Interrupt",
    TrapCode.OUT_OF_FUEL: "OutOfFuel",
    TrapCode.ATOMIC_WAIT_NON_SHARED_MEMORY: "AtomicWaitNonSharedMemory",
    Rule.BOUND: "StackOverflow",
    Rule.NO_FLOATS: "NondetInstruction",
}
_V03_NAMES: dict[TrapCode | Rule, str] = {
    TrapCode.STACK_OVERFLOW: "stack_overflow",
    TrapCode.MEMORY_OUT_OF_BOUNDS: "memory_out_of_bounds",
    TrapCode.HEAP_MISALIGNED: "heap_misaligned",
    TrapCode.TABLE_OUT_OF_BOUNDS: "table_out_of_bounds",
    TrapCode.INDIRECT_CALL_TO_NULL: "indirect_call_to_null",
    TrapCode.BAD_SIGNATURE: "bad_signature",
    TrapCode.INTEGER_OVERFLOW: "integer_overflow",
    TrapCode.INTEGER_DIVISION_BY_ZERO: "integer_divide_by_zero",
    TrapCode.BAD_CONVERSION_TO_INTEGER: "bad_conversion_to_integer",
    TrapCode.UNREACHABLE: "unreachable",
    TrapCode.INTERRUPT: "interrupt",
    TrapCode.OUT_OF_FUEL: "out_of_fuel",
    TrapCode.ATOMIC_WAIT_NON_SHARED_MEMORY: "atomic_wait_non_shared_memory",
    Rule.BOUND: "stack_overflow",
    Rule.NO_FLOATS: "nondet_instruction",
}


def trap_code(error: WasmtimeError | Trap, rules: Mapping[int, Rule]) -> TrapCode | Rule | None:
    """The code of a trap, or the rule that `rules` has where it happened.

    None for a trap without a code and for an error that is no trap.
    """
    if not isinstance(error, Trap):
        return None
    code = error.trap_code
    if code is TrapCode.UNREACHABLE and rules and error.frames:
        return rules.get(error.frames[0].module_offset, code)
    return code


def trap_text(contract_line: str, code: TrapCode | Rule | None) -> str:
    """The VM error of a trap."""
    names, other = (_V02_NAMES, "Fault") if contract_line == "v0.2" else (_V03_NAMES, "fault")
    return f"wasm_trap {names.get(code, other) if code is not None else other}"


def out_of_memory_text(contract_line: str) -> str:
    """The VM error when a guest's memory cannot even be created."""
    return "OOM" if contract_line == "v0.2" else "out_of memory wasm_memory"


def invalid_wasm_text(contract_line: str, stage: str) -> str:
    """The VM error of a module that does not validate, link or have an entry (`stage`)."""
    return "invalid_contract wasm" if contract_line == "v0.2" else f"invalid_contract wasm {stage}"

"""What tells one line of contracts from another: a table per line, and nowhere else (contract-runtime).

A line is what contracts were written against; a job names its own. The rest of the executor asks for the rule
that it needs, so that a further line is one more table here. Where bytes lie in storage, packages and results
goes by the line's name, and so do the runners (`genvm_wire`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from wasmtime import TrapCode

from genvm_executor.machine.wasm_rules import Rule
from genvm_executor.payloads import LATER_PAYLOADS, PAYLOADS, Check
from genvm_executor.spellings import as_written, in_first_spelling
from genvm_wire.calldata import Value
from genvm_wire.line_rules import LATER_LINE, LINE_RULES, OLD_LINE
from genvm_wire.records import record


@record
class ErrorTexts:
    """VM errors, as they are in results (host-protocol 11; contract-runtime 10)."""

    no_memory: str
    """the memory of a VM cannot be made, or is used up"""
    no_memory_for_answer: str
    """too little is left for what a module would answer"""
    too_deep: str
    """VMs inside VMs"""
    absent_code: str
    malformed_runner: str
    invalid_wasm: str
    """`{stage}`: validating, linking, entrypoint"""
    traps: Mapping[TrapCode | Rule, str]
    other_trap: str


@record
class ContractLine:
    """The rules of one line. Each field is true, or set, where the sentence beside it holds."""

    name: str
    texts: ErrorTexts
    requests: Mapping[str, Check]
    """what a contract may ask for, by name, with the form of its payload"""
    spelling: Callable[[str, Value], tuple[str, Value]]
    """what a request and its payload are called in `requests`"""
    stage_keys: tuple[str, ...]
    """where a validator's library looks for what the leader got"""
    largest_exit_code: int | None
    """exit codes are read without a sign, and one above this is this"""
    method_key: str
    """where its library looks for the method in a payload"""
    has_majors: bool
    """the root slot names the major that a contract was deployed for; else its header is compared"""
    checks_entry: bool
    """calldata has a form, and a VM starts only when it has it (section 7.1)"""
    names_signer: bool
    """the start message does"""
    random_from_start: bool
    """random bytes are keyed by the start message; else they are the same in every VM"""
    value_is_spendable: bool
    """what came with the transaction is not in the balance yet, and may be sent"""
    user_errors_are_values: bool
    """any calldata; else a text"""
    views_are_inherited: bool
    """a callee reads storage as its caller does, where the call does not say"""
    callees_keep_rights: bool
    """what a caller may send and ask for, what it calls may too"""
    vm_errors_are_delivered: bool
    """the VM error of a callee or a block is its caller's to handle, if it asks; else the caller's own"""
    checks_leader_results: bool
    """a leader's result that is no result is that leader's fault; else the contract reads it"""
    events_need_write: bool
    """a VM that may not write emits no events"""
    emissions_have_fees: bool
    reads_json_itself: bool
    """a model's JSON is a text, for the contract's library to read; else the contract gets an object"""
    most_upgraders: int
    most_locked_slots: int
    """more of either end the run: cutting them off would unlock slots"""


V02 = ContractLine(
    name=OLD_LINE,
    texts=ErrorTexts(
        no_memory="OOM",
        no_memory_for_answer="OOM",
        too_deep="OOM",
        absent_code="invalid_contract absent_runner_comment",
        malformed_runner="invalid_contract",
        invalid_wasm="invalid_contract wasm",
        traps=MappingProxyType(
            {
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
        ),
        other_trap="Fault",
    ),
    requests=PAYLOADS,
    spelling=as_written,
    stage_keys=("leaders_result",),
    largest_exit_code=125,
    method_key=LINE_RULES[OLD_LINE].method_key,
    has_majors=False,
    checks_entry=False,
    names_signer=False,
    random_from_start=False,
    value_is_spendable=False,
    user_errors_are_values=LINE_RULES[OLD_LINE].user_errors_are_values,
    views_are_inherited=False,
    callees_keep_rights=True,
    vm_errors_are_delivered=False,
    checks_leader_results=False,
    events_need_write=False,
    emissions_have_fees=False,
    reads_json_itself=False,
    most_upgraders=65_536,
    most_locked_slots=65_536,
)

V03 = ContractLine(
    name=LATER_LINE,
    texts=ErrorTexts(
        no_memory="out_of memory wasm_memory",
        no_memory_for_answer="out_of memory",
        too_deep="out_of subvm_recursion",
        absent_code="invalid_contract runner absent",
        malformed_runner="invalid_contract runner malformed",
        invalid_wasm="invalid_contract wasm {stage}",
        traps=MappingProxyType(
            {
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
        ),
        other_trap="fault",
    ),
    requests=LATER_PAYLOADS,
    spelling=in_first_spelling,
    stage_keys=("leader_result", "leaders_result"),
    largest_exit_code=None,
    method_key=LINE_RULES[LATER_LINE].method_key,
    has_majors=True,
    checks_entry=True,
    names_signer=True,
    random_from_start=True,
    value_is_spendable=True,
    user_errors_are_values=LINE_RULES[LATER_LINE].user_errors_are_values,
    views_are_inherited=True,
    callees_keep_rights=False,
    vm_errors_are_delivered=True,
    checks_leader_results=True,
    events_need_write=True,
    emissions_have_fees=True,
    reads_json_itself=True,
    most_upgraders=32,
    most_locked_slots=256,
)

LINES: Mapping[str, ContractLine] = MappingProxyType({line.name: line for line in (V02, V03)})

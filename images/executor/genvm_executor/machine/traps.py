"""WASM traps in the words of each contract line (spec: host-protocol 11; contract-runtime 10)."""

from __future__ import annotations

from collections.abc import Mapping

from wasmtime import Trap, TrapCode, WasmtimeError

from genvm_executor.lines import ContractLine
from genvm_executor.machine.wasm_rules import Rule


def trap_code(
    error: WasmtimeError | Trap, rules: Mapping[str | None, Mapping[int, Rule]]
) -> TrapCode | Rule | None:
    """The code of a trap, or the rule that `rules` has where it happened.

    None for a trap without a code and for an error that is no trap.
    """
    if not isinstance(error, Trap):
        return None
    code = error.trap_code
    if code is TrapCode.UNREACHABLE and rules and error.frames:
        frame = error.frames[0]
        return rules.get(frame.module_name, {}).get(frame.module_offset, code)
    return code


def trap_text(line: ContractLine, code: TrapCode | Rule | None) -> str:
    """The VM error of a trap."""
    texts = line.texts
    return f"wasm_trap {texts.other_trap if code is None else texts.traps.get(code, texts.other_trap)}"

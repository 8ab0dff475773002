"""What deterministic WebAssembly may do, written into a contract's own modules before they are compiled.

The rules (contract-sdk-v03 19) are upstream's: floating-point arithmetic traps when it is executed, at
most 1,024 frames and 65,535 value slots are live. An engine has no switch for any of them, so the module is
rewritten; the project's own interpreter is exempt.
"""

from genvm_executor.machine.wasm_rules.rewriting import Rule, Ruled, ruled

__all__ = ["Rule", "Ruled", "ruled"]

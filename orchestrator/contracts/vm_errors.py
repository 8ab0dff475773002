"""What VM error codes mean, for people (manager-api 3.15, host-protocol 11)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DETAIL = " # "

DESCRIPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "timeout": "The run took longer than it may.",
        "exit_code": "The contract ended with an exit code, usually after an uncaught exception.",
        "wasm_trap": "The contract's WebAssembly code was stopped by a trap.",
        "wasm_trap unreachable": "The contract reached code that must never be reached.",
        "wasm_trap stack_overflow": "The contract's calls were nested too deeply.",
        "validator_disagrees": "A validator did not agree with the leader's non-deterministic result.",
        "version_too_big": "The contract asks for a newer version than this executor has.",
        "invalid_contract": "The contract's code cannot be run.",
        "invalid_contract not_utf8_text": "The contract's code is a text that is not UTF-8.",
        "invalid_contract runner": "The runner that the contract names cannot be used.",
        "invalid_contract runner absent": "The contract does not begin with a comment that names its runner.",
        "invalid_contract runner malformed": "The comment that names the contract's runner cannot be read.",
        "invalid_contract absent_runner_comment": (
            "The contract does not begin with a comment that names its runner."
        ),
        "invalid_contract malformed_runner": "The comment that names the contract's runner cannot be read.",
        "invalid_contract major_mismatch": "The contract was written for another major version.",
        "invalid_contract wasm": "The contract's WebAssembly code is not valid.",
        "invalid_contract wasm validating": "The contract's WebAssembly code is not valid.",
        "invalid_contract wasm linking": "The contract imports what the executor does not offer.",
        "invalid_contract wasm entrypoint": "The contract's WebAssembly code has no entry point.",
        "OOM": "The contract used more memory than it may.",
        "OOM RAM": "The contract used more memory than it may.",
        "OOM storage": "The contract wrote more storage than was paid for.",
        "OOM receipt": "The run's receipt is larger than was paid for.",
        "OOM fees": "The fees for the contract's messages are used up.",
        "out_of": "The contract used more of a resource than it may.",
        "out_of memory": "The contract used more memory than it may.",
        "out_of storage": "The contract wrote more storage than was paid for.",
        "out_of fds": "The contract opened more files than it may.",
        "out_of receipt": "The run's receipt is larger than was paid for.",
        "out_of message_fee": "The fees for the contract's messages are used up.",
        "out_of nondet_blocks": "The contract ran more non-deterministic blocks than it may.",
        "out_of vm_recursion": "The contract's calls to contracts were nested too deeply.",
        "out_of_storage_gas": "The contract wrote more storage than was paid for.",
        "evm": "A call to an EVM contract failed.",
        "evm reverted": "A call to an EVM contract was reverted.",
        "fee": "The fee parameters of a message do not fit what was allocated.",
        "forbidden": "The contract did what it may not do here.",
        "absent": "The node does not have what the contract asked for.",
        "host": "The node refused a request of the run.",
        "host absent": "The node does not have what the contract asked for.",
        "host forbidden": "The contract did what it may not do here.",
        "host out_of_storage_gas": "The contract wrote more storage than was paid for.",
        "leader_fault": "The leader's results do not fit the contract's non-deterministic blocks.",
        "leader_fault nondet_output absent": "The leader has given no result for a non-deterministic block.",
        "leader_fault nondet_output extra": "The leader has given more results than there are blocks.",
        "absent_leader_nondet_output": "The leader has given no result for a non-deterministic block.",
        "malformed_entry": "The call's data is not what the contract's entry point takes.",
    }
)


def describe(error: str) -> str | None:
    """What an error code means: of the codes that are all of `error` or its first words, the longest."""
    words = error.partition(DETAIL)[0].split(" ")
    for count in range(len(words), 0, -1):
        description = DESCRIPTIONS.get(" ".join(words[:count]))
        if description is not None:
            return description
    return None

"""The contract library's vectors in the real WASI interpreter: a backend of the guest tests' `Harness`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from guest.vectors import Step, VmEnd

from genvm_executor.lines import V02, ContractLine
from genvm_executor.machine.outcome import GuestReturned, VmOutcome
from genvm_executor.machine.output import OutputTail
from genvm_executor.machine.sdk_errno import SdkErrno, SdkRefused
from genvm_executor.machine.vm import Guest, GuestSurroundings
from genvm_executor.python.library import first_words
from genvm_executor.python.programs import Programs
from genvm_wire.address import Address
from genvm_wire.calldata import decode, encode
from genvm_wire.results import ResultCode
from genvm_wire.runner_actions import Launch

MEMORY = 512 << 20
KINDS = {ResultCode.RETURN: "Return", ResultCode.USER_ERROR: "UserError", ResultCode.VM_ERROR: "VMError"}
WITHOUT_REPLY = {"PostMessage", "DeployContract", "EthSend", "EmitEvent", "Yield", "MapFile"}
WITHOUT_REPLY |= {"EmitInternalMessage", "EmitInternalDeployMessage", "EmitExternalMessage"}
MESSAGE: dict[str, Any] = {
    "chain_id": 0,
    "contract_address": Address(b"\x01" * 20),
    "datetime": "2024-11-26T06:42:42.424242Z",
    "entry_stage_data": None,
    "is_init": False,
    "origin_address": Address(b"\x02" * 20),
    "sender_address": Address(b"\x02" * 20),
    "stack": [],
    "value": 0,
}


class ScriptedRequests:
    """Storage in memory, requests kept, answers in the order of the script."""

    def __init__(self, slots: dict[str, bytes], replies: Sequence[bytes]) -> None:
        self.slots = {slot: bytearray(content) for slot, content in slots.items()}
        self.calls: list[bytes] = []
        self._replies = list(replies)

    def storage_read(self, slot: bytes, offset: int, length: int) -> bytes:
        return bytes(self.slots.get(slot.hex(), b"")[offset : offset + length]).ljust(length, b"\0")

    def storage_write(self, slot: bytes, offset: int, data: bytes) -> None:
        content = self.slots.setdefault(slot.hex(), bytearray())
        content.extend(bytes(max(offset - len(content), 0)))
        content[offset : offset + len(data)] = data

    def storage_rights(self) -> tuple[bool, frozenset[bytes]]:
        return True, frozenset()

    def get_balance(self, address: bytes) -> int:
        return 0

    def get_self_balance(self) -> int:
        return 0

    def gl_call(self, request: bytes) -> bytes | None:
        self.calls.append(request)
        message = decode(request)
        assert isinstance(message, dict)
        ((name, payload),) = message.items()
        if name == "Return":
            raise GuestReturned(VmOutcome(ResultCode.RETURN, encode(payload)))
        if name == "Rollback":
            if not isinstance(payload, str):
                raise SdkRefused(SdkErrno.INVAL)
            raise GuestReturned(VmOutcome(ResultCode.USER_ERROR, payload.encode()))
        if name == "UserError":
            raise GuestReturned(VmOutcome(ResultCode.USER_ERROR, encode(payload)))
        if name in WITHOUT_REPLY or (name == "Trace" and isinstance(payload, dict) and "Message" in payload):
            return None
        if not self._replies:
            raise SdkRefused(SdkErrno.FORBIDDEN)
        return self._replies.pop(0)

    def out_of_memory(self) -> NoReturn:
        raise AssertionError("a vector that uses up the guest's memory")


class WasiHarness:
    """`Harness` over the executor's own guest."""

    encode: Callable[[Any], bytes] = staticmethod(encode)

    def __init__(self, programs: Programs, line: ContractLine = V02) -> None:
        self._programs = programs
        self._line = line

    def parses(self, source: str) -> bool:
        del source
        return True

    def run(
        self, source: str, steps: Sequence[Step], before: Mapping[str, bytes] | None = None
    ) -> list[VmEnd]:
        """`before`: the storage that the first step finds."""
        outcomes: list[VmEnd] = []
        slots = dict(before or {})
        for step in steps:
            outcomes.append(self._step(source, step, slots))
            slots = dict(outcomes[-1].slots)
        return outcomes

    def _step(self, source: str, step: Step, slots: dict[str, bytes]) -> VmEnd:
        message = {**MESSAGE, "entry_kind": step.entry_kind, "entry_data": step.entry_data}
        message |= {"entry_stage_data": step.entry_stage_data, **step.message}
        if self._line.names_signer:
            message["signer_address"] = message["sender_address"]
        start = first_words(self._line) + encode(message)
        requests = ScriptedRequests(slots, step.replies)
        stdout, stderr = OutputTail(), OutputTail()
        program = self._programs.python(Launch(files={"/contract.py": source.encode()}))
        surroundings = GuestSurroundings(lambda: start, stdout, stderr, self._line, requests=requests)
        ended = Guest(self._programs.engine, program, surroundings).run(MEMORY)
        returned = ended.code is ResultCode.RETURN
        is_value = returned or (ended.code is ResultCode.USER_ERROR and self._line.user_errors_are_values)
        return VmEnd(
            kind=KINDS[ended.code],
            data=ended.payload if is_value else ended.payload.decode(),
            slots={slot: bytes(content) for slot, content in requests.slots.items()} if returned else slots,
            calls=requests.calls,
            stdout=stdout.peek().decode(),
            stderr=stderr.peek().decode(),
        )

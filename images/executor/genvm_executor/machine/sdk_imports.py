"""The `genlayer_sdk` functions that raw WASM contracts import (spec: contract-runtime 5)."""

from __future__ import annotations

from collections.abc import Callable

from genvm_executor.machine.guest_memory import GuestMemory, OutOfBounds
from genvm_executor.machine.guest_requests import GuestRequests
from genvm_executor.machine.sdk_errno import SdkErrno, SdkRefused
from genvm_executor.machine.wasi.descriptors import DescriptorTable, OpenFile
from genvm_executor.machine.wasi.errno import WasiRefused

NO_ANSWER = 0xFFFFFFFF
SIGNATURES = {
    "storage_read": "iiii",
    "storage_write": "iiii",
    "get_balance": "ii",
    "get_self_balance": "i",
    "gl_call": "iii",
}


class SdkImports:
    """The five functions over one guest; parameters are raw i32 (negative from 2^31 on)."""

    def __init__(
        self, memory: GuestMemory, descriptors: DescriptorTable, requests: Callable[[], GuestRequests | None]
    ) -> None:
        self._memory = memory
        self._descriptors = descriptors
        self._requests = requests

    def functions(self) -> dict[str, tuple[str, Callable[..., int]]]:
        """Name → (parameter types, function answering an error number)."""
        return {name: (types, self._answering(getattr(self, name))) for name, types in SIGNATURES.items()}

    def _answering(self, function: Callable[..., None]) -> Callable[..., int]:
        def answer(*arguments: int) -> int:
            try:
                function(self._ready(), *(argument & 0xFFFFFFFF for argument in arguments))
            except SdkRefused as refused:
                return refused.errno
            except OutOfBounds:
                return SdkErrno.FAULT
            except WasiRefused:
                return SdkErrno.OVERFLOW
            return SdkErrno.SUCCESS

        return answer

    def _ready(self) -> GuestRequests:
        requests = self._requests()
        if requests is None:
            raise SdkRefused(SdkErrno.INVAL)
        return requests

    def storage_read(self, requests: GuestRequests, slot: int, index: int, buffer: int, length: int) -> None:
        slot_id = self._memory.read(slot, 32)
        if length:
            # Refuse a bad buffer before asking for what could not be delivered.
            self._memory.read(buffer + length - 1, 1)
        self._memory.write(buffer, requests.storage_read(slot_id, index, length))

    def storage_write(self, requests: GuestRequests, slot: int, index: int, buffer: int, length: int) -> None:
        requests.storage_write(self._memory.read(slot, 32), index, self._memory.read(buffer, length))

    def get_balance(self, requests: GuestRequests, address: int, result: int) -> None:
        balance = requests.get_balance(self._memory.read(address, 20))
        self._memory.write(result, balance.to_bytes(32, "little"))

    def get_self_balance(self, requests: GuestRequests, result: int) -> None:
        self._memory.write(result, requests.get_self_balance().to_bytes(32, "little"))

    def gl_call(self, requests: GuestRequests, request: int, length: int, result: int) -> None:
        message = self._memory.read(request, length)
        self._memory.read(result, 4)
        answer = requests.gl_call(message)
        number = NO_ANSWER
        if answer is not None:
            data = answer
            number = self._descriptors.add(OpenFile(lambda: data))
        self._memory.write_u32(result, number)

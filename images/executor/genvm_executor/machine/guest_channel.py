"""Requests of the Python library over one device file: a write is a request, reads drain its answer.

Request: `u8 operation` and its arguments.

| operation | arguments | answer |
|---|---|---|
| 1 storage_read | slot 32, u32 offset, u32 length | the bytes |
| 2 storage_write | slot 32, u32 offset, data | - |
| 3 get_balance | address 20 | 32 bytes |
| 4 get_self_balance | - | 32 bytes |
| 5 gl_call | calldata | u8 0, or u8 1 and the answer |
| 6 out_of_memory | - | none: the VM ends |
| 7 storage_rights | - | u8 1 where the VM may write, then the ids of the locked slots, 32 each |
| 8 storage_write_all | any number of: slot 32, u32 offset, u32 length, data | - |

Answer: `u8 error number`, `u32 length`, bytes. All numbers are little-endian. A request replaces an answer
that was not read to its end; anything that is no request is answered `inval`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from genvm_executor.machine.guest_requests import GuestRequests
from genvm_executor.machine.sdk_errno import SdkErrno, SdkRefused

DEVICE_PATH = b"dev/genlayer"
MAX_READ = 64 * 1024 * 1024
_STORAGE_READ = struct.Struct("<32sII")
_STORAGE_WRITE = struct.Struct("<32sI")
_ONE_OF_MANY = struct.Struct("<32sII")


class GuestChannel:
    """The device; `requests` answers None while there is no job."""

    def __init__(self, requests: Callable[[], GuestRequests | None]) -> None:
        self._requests = requests
        self._answer = b""
        self._position = 0

    def write(self, data: bytes) -> None:
        self._position = 0
        try:
            body = self._serve(data)
        except SdkRefused as refused:
            self._answer = struct.pack("<BI", refused.errno, 0)
        else:
            self._answer = struct.pack("<BI", SdkErrno.SUCCESS, len(body)) + body

    def read(self, limit: int) -> bytes:
        chunk = self._answer[self._position : self._position + limit]
        self._position += len(chunk)
        return chunk

    def _serve(self, data: bytes) -> bytes:
        requests = self._requests()
        if requests is None or not data:
            raise SdkRefused(SdkErrno.INVAL)
        body = data[1:]
        match data[0]:
            case 1 if len(body) == _STORAGE_READ.size:
                slot, offset, length = _STORAGE_READ.unpack(body)
                if length > MAX_READ:
                    raise SdkRefused(SdkErrno.INVAL)
                return requests.storage_read(slot, offset, length)
            case 2 if len(body) >= _STORAGE_WRITE.size:
                slot, offset = _STORAGE_WRITE.unpack_from(body)
                requests.storage_write(slot, offset, body[_STORAGE_WRITE.size :])
                return b""
            case 3 if len(body) == 20:
                return requests.get_balance(body).to_bytes(32, "little")
            case 4 if not body:
                return requests.get_self_balance().to_bytes(32, "little")
            case 5:
                answer = requests.gl_call(body)
                return b"\x00" if answer is None else b"\x01" + answer
            case 6 if not body:
                requests.out_of_memory()
            case 7 if not body:
                writable, locked = requests.storage_rights()
                return bytes([writable]) + b"".join(sorted(locked))
            case 8:
                for slot, offset, piece in _writes(body):
                    requests.storage_write(slot, offset, piece)
                return b""
        raise SdkRefused(SdkErrno.INVAL)


def _writes(body: bytes) -> list[tuple[bytes, int, bytes]]:
    """The parts of a request to write several. Raises SdkRefused for one that is cut off: none is written."""
    found, at = [], 0
    while at < len(body):
        if at + _ONE_OF_MANY.size > len(body):
            raise SdkRefused(SdkErrno.INVAL)
        slot, offset, length = _ONE_OF_MANY.unpack_from(body, at)
        at += _ONE_OF_MANY.size + length
        if at > len(body):
            raise SdkRefused(SdkErrno.INVAL)
        found.append((slot, offset, body[at - length : at]))
    return found

"""The contract library's way to the executor: functions over the device /dev/genlayer.

Runs inside the guest. The device's messages are described in the executor's `guest_channel` module. A
refusal raises SystemError("<n>: <name>") with the names of contract-sdk 3.
"""

from __future__ import annotations

import os

_NAMES = ("success", "overflow", "inval", "fault", "ilseq", "io", "forbidden", "inbalance")
_HEADER = 5
_FIRST_READ = 4096
_MAX_READ = 16 * 1024 * 1024


class _Device:
    """Opened by the first request: a prepared interpreter must hold no descriptor."""

    number = -1


def channel() -> int:
    """The descriptor of the device."""
    if _Device.number < 0:
        _Device.number = os.open("/dev/genlayer", os.O_RDWR)
    return _Device.number


def _ask(request: bytes, expected: int = _FIRST_READ) -> bytes:
    device = channel()
    os.write(device, request)
    answer = os.read(device, _HEADER + expected)
    if answer[0]:
        number = answer[0]
        raise SystemError(f"{number}: {_NAMES[number]}")
    missing = _HEADER + int.from_bytes(answer[1:_HEADER], "little") - len(answer)
    if not missing:
        return answer[_HEADER:]
    parts = [answer[_HEADER:]]
    while missing:
        part = os.read(device, missing)
        if not part:
            raise SystemError("5: io")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _check_slot(slot: bytes) -> bytes:
    if len(slot) != 32:
        raise ValueError("a slot id has 32 bytes")
    return bytes(slot)


def _check_offset(offset: int, length: int) -> None:
    if not 0 <= offset < 1 << 32 or offset + length > 1 << 32:
        raise SystemError("2: inval")


def storage_read(slot: bytes, off: int, buf: bytearray | memoryview) -> None:
    """Fill `buf` from byte `off` of `slot`; unwritten bytes are zero. Raises SystemError."""
    view = memoryview(buf).cast("B")
    slot = _check_slot(slot)
    _check_offset(off, len(view))
    for start in range(0, len(view), _MAX_READ):
        length = min(_MAX_READ, len(view) - start)
        request = b"\x01" + slot + (off + start).to_bytes(4, "little") + length.to_bytes(4, "little")
        view[start : start + length] = _ask(request, length)


def storage_write(slot: bytes, off: int, data: bytes | bytearray | memoryview) -> None:
    """Write `data` at byte `off` of `slot`. Raises SystemError."""
    payload = bytes(data)
    _check_offset(off, len(payload))
    _ask(b"\x02" + _check_slot(slot) + off.to_bytes(4, "little") + payload)


def storage_rights() -> tuple[bool, frozenset[bytes]]:
    """Whether this VM may write, and the ids of the slots that it may not write even then."""
    answer = _ask(b"\x07")
    return bool(answer[0]), frozenset(answer[at : at + 32] for at in range(1, len(answer), 32))


def storage_write_all(writes: list[tuple[bytes, int, bytes]]) -> None:
    """Write each `(slot, offset, bytes)`, in this order. Raises SystemError at the first that is refused."""
    parts = [b"\x08"]
    for slot, off, data in writes:
        parts += (slot, off.to_bytes(4, "little"), len(data).to_bytes(4, "little"), data)
    _ask(b"".join(parts))


def out_of_memory() -> None:
    """End the VM with the error of one that ran out of memory."""
    _ask(b"\x06")


def get_balance(addr: bytes) -> int:
    """Balance of a 20-byte address. Raises SystemError."""
    if len(addr) != 20:
        raise ValueError("an address has 20 bytes")
    return int.from_bytes(_ask(b"\x03" + bytes(addr)), "little")


def get_self_balance() -> int:
    """Own balance minus what was sent in this run. Raises SystemError."""
    return int.from_bytes(_ask(b"\x04"), "little")


def gl_call(request: bytes) -> bytes | None:
    """Send one calldata-encoded request; None when it has no reply. Terminal requests do not return.

    Raises SystemError.
    """
    answer = _ask(b"\x05" + bytes(request))
    return answer[1:] if answer[0] else None

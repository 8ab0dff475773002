"""What every storage type can do, and the types that are stored in place (contract-sdk 12.2)."""

from __future__ import annotations

import datetime
import struct
from typing import Any

from genlayer_core.types import Address

from .slots import Slot


class Layout:
    """How one type lies in storage.

    `size` is its bytes in place. `flat`: everything is in place, so copying the bytes copies the value.
    `exact`: values of just this type are ordered by what `plain` and `plain_of` make of them, which are equal
    where neither is less; None for types that have no such order.
    """

    size: int
    flat: bool = True
    exact: type | None = None

    def get(self, slot: Slot, off: int) -> Any:
        """The value at (slot, off), a live view for records and collections."""
        raise NotImplementedError

    def set(self, slot: Slot, off: int, value: Any) -> None:
        """Store a value; records and collections are copied."""
        raise NotImplementedError

    def plain(self, slot: Slot, off: int) -> Any:
        """What orders the value at (slot, off)."""
        return self.get(slot, off)

    def plain_of(self, value: Any) -> Any:
        """What orders a value of the type `exact`."""
        return value

    def value_of(self, plain: Any) -> Any:
        """The value that `plain` came from."""
        return plain

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        """Copy what lies at the source to the target, following the content outside."""
        if self.size:
            target.write(target_off, source.read(source_off, self.size))


class IntLayout(Layout):
    """`uN`, `iN`: little endian, two's complement; OverflowError when out of range."""

    exact = int

    def __init__(self, size: int, signed: bool) -> None:
        self.size = size
        self.signed = signed

    def get(self, slot: Slot, off: int) -> int:
        return slot.number(off, self.size, self.signed)

    def set(self, slot: Slot, off: int, value: Any) -> None:
        slot.write(off, value.to_bytes(self.size, "little", signed=self.signed))


U8 = IntLayout(1, signed=False)
U32 = IntLayout(4, signed=False)


class BoolLayout(Layout):
    """One byte; anything is taken by its truth value."""

    size = 1

    def get(self, slot: Slot, off: int) -> bool:
        return slot.read(off, 1) != b"\x00"

    def set(self, slot: Slot, off: int, value: Any) -> None:
        slot.write(off, b"\x01" if value else b"\x00")


class AddressLayout(Layout):
    """20 raw bytes."""

    size = Address.SIZE
    exact = Address

    def get(self, slot: Slot, off: int) -> Address:
        return Address(slot.read(off, Address.SIZE))

    def set(self, slot: Slot, off: int, value: Address) -> None:
        slot.write(off, value.as_bytes)

    def plain(self, slot: Slot, off: int) -> bytes:
        return slot.read(off, Address.SIZE)

    def plain_of(self, value: Address) -> bytes:
        return value.as_bytes

    def value_of(self, plain: bytes) -> Address:
        return Address(plain)


class NoneLayout(Layout):
    """Nothing at all."""

    size = 0

    def get(self, slot: Slot, off: int) -> None:
        return None

    def set(self, slot: Slot, off: int, value: Any) -> None:
        """Ignore the value."""


class FloatLayout(Layout):
    """IEEE-754 binary64, little endian."""

    size = 8

    def get(self, slot: Slot, off: int) -> float:
        return float(struct.unpack("<d", slot.read(off, 8))[0])

    def set(self, slot: Slot, off: int, value: Any) -> None:
        slot.write(off, struct.pack("<d", value))


class ContentLayout(Layout):
    """u32 length in place, that many bytes at offset 0 of the derived slot."""

    size = 4
    flat = False

    def read_content(self, slot: Slot, off: int) -> bytes:
        """The content bytes."""
        length = slot.number(off, 4)
        return slot.indirect(off).read(0, length) if length else b""

    def write_content(self, slot: Slot, off: int, content: bytes) -> None:
        """Length, then content; a longer former content keeps its tail."""
        slot.write(off, len(content).to_bytes(4, "little"))
        if content:
            slot.indirect(off).write(0, content)

    def copy(self, source: Slot, source_off: int, target: Slot, target_off: int) -> None:
        self.write_content(target, target_off, self.read_content(source, source_off))


class StrLayout(ContentLayout):
    """Text as UTF-8."""

    exact = str

    def get(self, slot: Slot, off: int) -> str:
        return self.read_content(slot, off).decode("utf-8")

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a storage field of type str takes str, not {type(value).__name__}")
        self.write_content(slot, off, str.encode(value, "utf-8"))


class BytesLayout(ContentLayout):
    """Any bytes-like object."""

    exact = bytes

    def get(self, slot: Slot, off: int) -> bytes:
        return self.read_content(slot, off)

    def set(self, slot: Slot, off: int, value: Any) -> None:
        self.write_content(slot, off, memoryview(value).tobytes())


class BigintLayout(ContentLayout):
    """Two's complement little endian, two bytes longer than the magnitude."""

    exact = int

    def get(self, slot: Slot, off: int) -> int:
        return int.from_bytes(self.read_content(slot, off), "little", signed=True)

    def set(self, slot: Slot, off: int, value: Any) -> None:
        length = (abs(value).bit_length() + 7) // 8 + 2
        self.write_content(slot, off, value.to_bytes(length, "little", signed=True))


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_SECOND = datetime.timedelta(seconds=1)


class DatetimeLayout(Layout):
    """Seconds u64, microseconds u32, has_tz, then the offset's days, seconds, microseconds as i32.

    A naive value is taken as UTC and leaves the old offset bytes; before 1970 is an OverflowError.
    """

    size = 25

    def get(self, slot: Slot, off: int) -> datetime.datetime:
        seconds, micros, aware, *offset = struct.unpack("<QI?iii", slot.read(off, 25))
        moment = _EPOCH + datetime.timedelta(seconds=seconds, microseconds=micros)
        if not aware:
            return moment.replace(tzinfo=None)
        return moment.astimezone(datetime.timezone(datetime.timedelta(*offset)))

    def set(self, slot: Slot, off: int, value: Any) -> None:
        if not isinstance(value, datetime.datetime):
            raise TypeError(f"a storage field of type datetime takes datetime, not {type(value).__name__}")
        offset = value.utcoffset()
        moment = value if offset is not None else value.replace(tzinfo=datetime.UTC)
        seconds, rest = divmod(moment - _EPOCH, _SECOND)
        place = seconds.to_bytes(8, "little") + rest.microseconds.to_bytes(4, "little")
        if offset is None:
            slot.write(off, place + b"\x00")
        else:
            tail = struct.pack("<iii", offset.days, offset.seconds, offset.microseconds)
            slot.write(off, place + b"\x01" + tail)

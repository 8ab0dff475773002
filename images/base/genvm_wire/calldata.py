"""The binary value format of the GenVM (calldata 1): canonical, one byte string per value."""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from genvm_wire import uleb
from genvm_wire.address import Address
from genvm_wire.records import record

T = TypeVar("T")
MAX_DEPTH = 128
MAX_LENGTH = 0xFFFFFFFF
LONGEST_TEXT = 16 * 1024 * 1024
"""Bytes, where nobody needs a longer one: Python makes a text in one go, this one in a tenth of a second, in
which no other thread goes on."""
LONG_TEXT = 1024 * 1024
ITEM_OF_NUMBER = 64
"""Bytes of a number that take as long to read and to write as an item does."""
TEXT_TOO_LONG = "text_too_long"
NUMBER_TOO_LONG = uleb.NUMBER_TOO_LONG
SHORT_KEY = 64
"""Characters of keys whose bytes are remembered."""
MAX_OUTLINED = 16
_LEFT_DEPTH = 3
_OF_KEY = "invalid_utf8_key"
_PLAIN_KEYS = frozenset({str})

Value: TypeAlias = "bool | int | bytes | str | Address | list[Value] | dict[str, Value] | None"
"""What `decode` returns."""

Encodable: TypeAlias = (
    "bool | int | bytes | bytearray | memoryview | str | Address | Encoded | Unread"
    " | Sequence[Encodable] | Mapping[str, Encodable] | None"
)
"""What `encode` takes: every `Value`, and any sequence or mapping of such."""

__all__ = [
    "ITEM_OF_NUMBER",
    "LONGEST_TEXT",
    "LONG_TEXT",
    "MAX_DEPTH",
    "NUMBER_TOO_LONG",
    "TEXT_TOO_LONG",
    "Address",
    "CalldataError",
    "Encodable",
    "Encoded",
    "Unread",
    "Value",
    "decode",
    "decode_leaving",
    "encode",
    "outline",
    "to_text",
]


class CalldataError(ValueError):
    """Bytes that are not calldata, or a value that has no form in it.

    `reason` is one of the class names of calldata 3; besides these `not_encodable` (a type
    the format does not have), `too_many_items` (more values than the caller allows), `text_too_long` and
    `number_too_long`.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@record
class Encoded:
    """A value by its bytes, `raw`: `encode` puts them where they are wanted, unread."""

    raw: bytes


@record
class Unread:
    """One that was checked and not decoded. `outline`: see there; null for a map of over MAX_OUTLINED."""

    raw: bytes
    outline: Value

    @property
    def is_map(self) -> bool:
        return self.raw[0] & 7 == 6


def decode(
    data: bytes | bytearray | memoryview, *, max_items: int = MAX_LENGTH, max_text: int = MAX_LENGTH
) -> Value:
    """The one value that `data` holds. Raises CalldataError for everything else.

    `max_items` bounds the number of array items and map entries altogether: a byte of input can cost
    a hundred bytes of memory. A number counts as one for each ITEM_OF_NUMBER bytes that it has. `max_text`
    bounds each text, key and number, in bytes. Set them where the input is both hostile and large.
    """
    return _read(_Reader(bytes(data), max_items, max_text))


def outline(data: bytes | bytearray | memoryview, *, max_items: int) -> Value:
    """The value as `decode` gives it, but all lists, and maps inside of others, are empty.

    They are checked and forgotten: for who wants a map's plain fields, and not the memory for the rest.
    Texts of more than LONG_TEXT bytes are empty, too, checked piece by piece; a key has LONGEST_TEXT at most.
    """
    return _read(_TextsForgotten(bytes(data), max_items))


def decode_leaving(data: bytes | bytearray | memoryview, names: Collection[str], *, max_items: int) -> Any:
    """The value as `decode` gives it, but `Unread` under these keys of a map in a map, unless it is bytes.

    What is left may be as deep as in a map in a list in a map: it is put there as it is.
    """
    return _read(_Leaver(bytes(data), max_items, names))


def _read(reader: _Reader) -> Value:
    try:
        value = reader.value(0)
    except uleb.UlebError as error:
        raise CalldataError(error.reason, f"at byte {reader.pos}") from None
    if reader.pos != reader.end:
        raise CalldataError("trailing_bytes", f"{reader.end - reader.pos} after the value")
    return value


class _Reader:
    __slots__ = ("data", "end", "items_left", "max_number", "max_text", "pos")

    def __init__(self, data: bytes, max_items: int, max_text: int = MAX_LENGTH) -> None:
        self.data = data
        self.end = len(data)
        self.pos = 0
        self.items_left = max_items
        self.max_text = self.max_number = max_text

    def value(self, depth: int) -> Value:
        pos = self.pos
        if pos < self.end and (tag := self.data[pos]) < 0x80:
            self.pos = pos + 1
        else:
            tag, self.pos = uleb.read(self.data, pos, self.max_number)
            self._count((self.pos - pos) // ITEM_OF_NUMBER)
        arg = tag >> 3
        kind = tag & 7
        if kind == 1:
            return arg
        if kind == 2:
            return -1 - arg
        if kind == 0:
            return self._atom(arg)
        if kind == 7:
            raise CalldataError("reserved_type", f"at byte {pos}")
        if arg > MAX_LENGTH:
            raise CalldataError("length_too_large", f"at byte {pos}")
        if kind == 4:
            return self._text(arg, "invalid_utf8")
        if kind == 3:
            return self._take(arg)
        if depth == MAX_DEPTH:
            raise CalldataError("too_deep", f"at byte {pos}")
        return self._array(arg, depth + 1) if kind == 5 else self._map(arg, depth + 1)

    def _atom(self, arg: int) -> Value:
        if arg == 0:
            return None
        if arg == 1:
            return False
        if arg == 2:
            return True
        if arg == 3:
            return Address(self._take(20))
        raise CalldataError("reserved_special", f"atom {arg}" if arg < MAX_LENGTH else "")

    def _take(self, length: int) -> bytes:
        start = self.pos
        stop = start + length
        if stop > self.end:
            raise CalldataError(
                "truncated_payload", f"{length} bytes at byte {start}, {self.end - start} left"
            )
        self.pos = stop
        return self.data[start:stop]

    def _text(self, length: int, reason: str) -> str:
        if length > self.max_text:
            raise CalldataError(TEXT_TOO_LONG, f"{length} bytes at byte {self.pos}; {self.max_text} at most")
        raw = self._take(length)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise CalldataError(reason, f"at byte {self.pos - length + error.start}") from None

    def _reserve(self, count: int, bytes_each: int) -> None:
        if count * bytes_each > self.end - self.pos:
            raise CalldataError("truncated_payload", f"{count} items announced at byte {self.pos}")
        self._count(count)

    def _count(self, items: int) -> None:
        self.items_left -= items
        if self.items_left < 0:
            raise CalldataError("too_many_items")

    def _array(self, count: int, depth: int) -> list[Value]:
        self._reserve(count, 1)
        value = self.value
        return [value(depth) for _ in range(count)]

    def _fresh_map(self, count: int, depth: int) -> dict[str, Value]:
        return {}

    def _map(self, count: int, depth: int) -> dict[str, Value]:
        self._reserve(count, 2)
        result = self._fresh_map(count, depth)
        previous: str | None = None
        for _ in range(count):
            pos = self.pos
            if pos < self.end and (length := self.data[pos]) < 0x80:
                self.pos = pos + 1
            else:
                length, self.pos = uleb.read(self.data, pos)
            if length > MAX_LENGTH:
                raise CalldataError("length_too_large", f"at byte {self.pos}")
            key = self._text(length, _OF_KEY)
            if previous is not None and key <= previous:
                raise CalldataError("duplicate_key" if key == previous else "unsorted_keys")
            previous = key
            result[key] = self.value(depth)
        return result


class _Forgotten(dict[str, Value]):
    """A map that stays empty."""

    __slots__ = ()

    def __setitem__(self, key: str, value: Value) -> None:
        """Keep nothing."""


class _Outliner(_Reader):
    __slots__ = ("most", "top")

    def __init__(self, data: bytes, max_items: int, *, top: int = 1, most: int = MAX_LENGTH) -> None:
        super().__init__(data, max_items)
        self.top = top
        self.most = most

    def _array(self, count: int, depth: int) -> list[Value]:
        self._reserve(count, 1)
        for _ in range(count):
            self.value(depth)
        return []

    def _fresh_map(self, count: int, depth: int) -> dict[str, Value]:
        return {} if depth == self.top and count <= self.most else _Forgotten()


class _TextsForgotten(_Outliner):
    __slots__ = ()

    def __init__(self, data: bytes, max_items: int) -> None:
        super().__init__(data, max_items)
        self.max_text = LONGEST_TEXT

    def _text(self, length: int, reason: str) -> str:
        if reason == _OF_KEY or length <= LONG_TEXT:
            return super()._text(length, reason)
        raw = memoryview(self._take(length))
        decoder = getincrementaldecoder("utf-8")()
        try:
            for at in range(0, length, LONG_TEXT):
                decoder.decode(raw[at : at + LONG_TEXT], final=at + LONG_TEXT >= length)
        except UnicodeDecodeError:
            raise CalldataError(reason, f"in the text that ends at byte {self.pos}") from None
        return ""


class _Leaver(_Reader):
    __slots__ = ("key", "names")

    def __init__(self, data: bytes, max_items: int, names: Collection[str]) -> None:
        super().__init__(data, max_items)
        self.names = names
        self.key = ""

    def _text(self, length: int, reason: str) -> str:
        text = super()._text(length, reason)
        if reason == _OF_KEY:
            self.key = text
        return text

    def value(self, depth: int) -> Value:
        if depth != 2 or self.key not in self.names:
            return super().value(depth)
        start, own = self.pos, _LEFT_DEPTH
        outliner = _Outliner(self.data, self.items_left, top=own + 1, most=MAX_OUTLINED)
        found = self._by(outliner, lambda: outliner.value(own))
        if isinstance(found, bytes):
            return found
        large = isinstance(found, _Forgotten)
        return Unread(self.data[start : self.pos], None if large else found)  # type: ignore[return-value]

    def _array(self, count: int, depth: int) -> list[Value]:
        reader = _Reader(self.data, self.items_left)
        return self._by(reader, lambda: reader._array(count, depth))

    def _map(self, count: int, depth: int) -> dict[str, Value]:
        if depth <= 2:
            return super()._map(count, depth)
        reader = _Reader(self.data, self.items_left)
        return self._by(reader, lambda: reader._map(count, depth))

    def _by(self, reader: _Reader, read: Callable[[], T]) -> T:
        """Have another read from here: what is further in is nothing that is left."""
        reader.pos = self.pos
        try:
            return read()
        finally:
            self.pos, self.items_left = reader.pos, reader.items_left


def encode(value: Encodable) -> bytes:
    """The canonical bytes of `value`. Raises CalldataError when the format has no form for it."""
    out = bytearray()
    _put(out, value, 0)
    return bytes(out)


def _put(out: bytearray, value: object, depth: int) -> None:
    kind = type(value)
    if kind is str or isinstance(value, str):
        raw = _utf8(value, "invalid_utf8")  # type: ignore[arg-type]
        length = len(raw)
        if length < 0x10:
            out.append(length << 3 | 4)
        else:
            _put_tag(out, length, 4)
        out += raw
    elif value is None:
        out.append(0x00)
    elif kind is bool:
        out.append(0x10 if value else 0x08)
    elif kind is int and 0 <= value < 0x10:  # type: ignore[operator]
        out.append(value << 3 | 1)  # type: ignore[operator]
    elif kind is int or isinstance(value, int):
        number = int(value)  # type: ignore[call-overload]
        out += uleb.write(number << 3 | 1 if number >= 0 else (-1 - number) << 3 | 2)
    elif kind is bytes or isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)  # type: ignore[call-overload]
        _put_tag(out, len(raw), 3)
        out += raw
    elif kind is Address:
        out.append(0x18)
        out += value.raw  # type: ignore[attr-defined]
    elif kind is dict or kind is list or isinstance(value, Mapping | Sequence):
        if depth == MAX_DEPTH:
            raise CalldataError("too_deep")
        _put_container(out, value, depth + 1)  # type: ignore[arg-type]
    elif isinstance(value, Encoded | Unread):
        out += value.raw
    else:
        raise CalldataError("not_encodable", f"calldata has no {kind.__name__}")


def _put_container(out: bytearray, value: Mapping[object, object] | Sequence[object], depth: int) -> None:
    if not isinstance(value, dict) and isinstance(value, Sequence):
        _put_tag(out, len(value), 5)
        for item in value:
            _put(out, item, depth)
        return
    _put_tag(out, len(value), 6)
    for key in _sorted_keys(value):
        out += _short_key(key) if len(key) <= SHORT_KEY else _key(key)
        _put(out, value[key], depth)


def _key(key: str) -> bytes:
    raw = _utf8(key, _OF_KEY)
    return uleb.write(len(raw)) + raw


_short_key = lru_cache(1024)(_key)
"""Of those that most maps have, again and again."""


def _put_tag(out: bytearray, length: int, kind: int) -> None:
    if length < 0x10:
        out.append(length << 3 | kind)
        return
    if length > MAX_LENGTH:
        raise CalldataError("length_too_large", f"{length} does not fit 32 bits")
    out += uleb.write(length << 3 | kind)


def _utf8(text: str, reason: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CalldataError(reason, f"lone surrogate at character {error.start}") from None


def _sorted_keys(mapping: Mapping[object, object]) -> list[str]:
    if {*map(type, mapping)} <= _PLAIN_KEYS:
        return sorted(mapping)  # type: ignore[arg-type]
    keys: list[str] = []
    for key in mapping:
        if not isinstance(key, str):
            raise CalldataError("not_encodable", f"map keys are strings, not {type(key).__name__}")
        keys.append(key)
    keys.sort()
    return keys


def to_text(value: Encodable, limit: int = 1_000_000) -> str:
    """The debug text form of calldata 7.1, cut after `limit` characters. Never fails."""
    text = _Text(limit)
    text.put(value, 0)
    joined = "".join(text.parts).encode("utf-8", "backslashreplace").decode()
    return joined[:limit] + "..." if text.left < 0 else joined


class _Text:
    __slots__ = ("left", "parts")

    def __init__(self, limit: int) -> None:
        self.parts: list[str] = []
        self.left = limit

    def add(self, piece: str) -> None:
        self.parts.append(piece)
        self.left -= len(piece)

    def put(self, value: object, depth: int) -> None:
        if self.left < 0:
            return
        if value is None or isinstance(value, bool):
            self.add({None: "null", True: "true", False: "false"}[value])
        elif isinstance(value, str):
            self.add(json.dumps(value[: self.left + 1], ensure_ascii=False))
        elif isinstance(value, int):
            self.add(str(int(value)) if value.bit_length() < 14_000 else _long_integer(value, self.left))
        elif isinstance(value, bytes | bytearray | memoryview):
            self.add("b#" + bytes(value[: self.left + 1]).hex())
        elif isinstance(value, Address):
            self.add("addr#" + value.raw.hex())
        elif depth == MAX_DEPTH:
            self.add("...")
        elif isinstance(value, Mapping):
            self.put_map(value, depth + 1)
        elif isinstance(value, Sequence):
            self.put_array(value, depth + 1)
        else:
            self.add(f"<{type(value).__name__}>")

    def put_array(self, items: Sequence[object], depth: int) -> None:
        self.add("[")
        for index, item in enumerate(items):
            if self.left < 0:
                return
            if index:
                self.add(",")
            self.put(item, depth)
        self.add("]")

    def put_map(self, entries: Mapping[object, object], depth: int) -> None:
        self.add("{")
        for index, key in enumerate(sorted(map(str, entries))):
            if self.left < 0:
                return
            if index:
                self.add(",")
            self.put(key, depth)
            self.add(":")
            self.put(entries.get(key), depth)
        self.add("}")


def _long_integer(value: int, room: int) -> str:
    """Hexadecimal, because decimal text of a huge integer is slow and above 4300 digits refused."""
    digits = max(room, 0) + 8
    bits = abs(value).bit_length()
    shift = max(0, -(-bits // 4) - digits) * 4
    return ("-" if value < 0 else "") + hex(abs(value) >> shift)

"""The binary value format, as contracts see it (calldata 1; contract-sdk 6).

Differs from the wire codec of the executor: it takes any sequence, mapping, dataclass or storage view.
"""

from __future__ import annotations

import abc
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .types import Address

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_DEPTH = 128
MAX_LENGTH = 1 << 32

_PLAIN = frozenset((bool, int, str, bytes, list, dict, tuple, type(None), Address))
_ATOM, _POSITIVE, _NEGATIVE, _BYTES, _STR, _LIST, _MAP = range(7)


class DecodingError(ValueError):
    """The bytes are not one canonical value."""


class CalldataEncodable(abc.ABC):
    """A class whose instances say themselves how they are encoded."""

    @abc.abstractmethod
    def __to_calldata__(self) -> Any:
        """A value of the types that `encode` takes."""


class Raw:
    """Encoded bytes that are spliced in as they are, unchecked."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Raw) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"Raw({self.data!r})"


def fields_as_map(value: Any) -> Any:
    """Dataclass instances and storage records as maps of their fields; everything else unchanged."""
    if type(value) in _PLAIN:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    layout = getattr(value, "__gl_layout__", None)
    if layout is not None:
        return {name: getattr(value, name) for name in layout.fields}
    return value


def _uleb(out: bytearray, number: int) -> None:
    if number < 0x80:
        out.append(number)
        return
    if number.bit_length() > 512:
        _big_uleb(out, number)
        return
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _big_uleb(out: bytearray, number: int) -> None:
    # 56 bits are 8 groups and 7 bytes: cutting bytes keeps the time linear where shifting is quadratic.
    raw = number.to_bytes((number.bit_length() + 7) // 8, "little")
    groups = bytearray()
    for start in range(0, len(raw), 7):
        word = int.from_bytes(raw[start : start + 7], "little")
        groups += bytes(word >> shift & 0x7F | 0x80 for shift in range(0, 56, 7))
    while groups[-1] == 0x80:
        groups.pop()
    groups[-1] &= 0x7F
    out += groups


def _payload(out: bytearray, kind: int, data: bytes | bytearray | memoryview) -> None:
    size = data.nbytes if isinstance(data, memoryview) else len(data)
    if size >= MAX_LENGTH:
        raise ValueError("calldata: bytes or text of 4 GiB or more")
    _uleb(out, size << 3 | kind)
    out += data


class _Encoder:
    def __init__(self, default: Callable[[Any], Any]) -> None:
        self.out = bytearray()
        self.default = default

    def value(self, value: Any, depth: int) -> None:
        value = self.default(value)
        out = self.out
        if isinstance(value, CalldataEncodable):
            self.value(value.__to_calldata__(), self._deeper(depth))
        elif value is None:
            out.append(0)
        elif value is True:
            out.append(16)
        elif value is False:
            out.append(8)
        elif isinstance(value, int):
            number = int(value)
            _uleb(out, number << 3 | _POSITIVE if number >= 0 else (-number - 1) << 3 | _NEGATIVE)
        elif isinstance(value, Address):
            out.append(24)
            out += value.as_bytes
        elif isinstance(value, bytes | bytearray):
            _payload(out, _BYTES, value)
        elif isinstance(value, memoryview):
            _payload(out, _BYTES, value.tobytes())
        elif isinstance(value, str):
            _payload(out, _STR, str.encode(value, "utf-8"))
        elif isinstance(value, Raw):
            out += value.data
        elif isinstance(value, Sequence):
            self.sequence(value, self._deeper(depth))
        elif isinstance(value, Mapping):
            self.mapping(value, self._deeper(depth))
        else:
            raise TypeError(f"not calldata encodable {value!r}: {type(value).__name__}")

    @staticmethod
    def _deeper(depth: int) -> int:
        if depth >= MAX_DEPTH:
            raise ValueError(f"calldata: nested deeper than {MAX_DEPTH} levels")
        return depth + 1

    def sequence(self, items: Sequence[Any], depth: int) -> None:
        _uleb(self.out, len(items) << 3 | _LIST)
        for item in items:
            self.value(item, depth)

    def mapping(self, entries: Mapping[Any, Any], depth: int) -> None:
        for key in entries:
            if not isinstance(key, str):
                raise TypeError(f"key is not string {key!r}: {type(key).__name__}")
        ordered = sorted(((str(key), value) for key, value in entries.items()), key=lambda entry: entry[0])
        _uleb(self.out, len(ordered) << 3 | _MAP)
        for key, value in ordered:
            raw = key.encode("utf-8")
            _uleb(self.out, len(raw))
            self.out += raw
            self.value(value, depth)


def encode(x: Any, *, default: Callable[[Any], Any] = fields_as_map) -> bytes:
    """The canonical bytes of a value.

    `default` sees every value first and returns what to encode instead.
    Raises TypeError for what the format cannot hold (floats, sets, dates, keys that are not text),
    UnicodeEncodeError for lone surrogates, ValueError beyond 128 levels.
    """
    encoder = _Encoder(default)
    encoder.value(x, 0)
    return bytes(encoder.out)


class _Decoder:
    def __init__(self, data: memoryview, make_bytes: Callable[[memoryview], Any]) -> None:
        self.data = data
        self.at = 0
        self.make_bytes = make_bytes

    def uleb(self) -> int:
        data, start, at = self.data, self.at, self.at
        size = len(data)
        while at < size and data[at] & 0x80:
            at += 1
        if at >= size:
            raise DecodingError("unexpected end of memory")
        if at > start and data[at] == 0:
            raise DecodingError("most significant octet can not be zero")
        self.at = at + 1
        if at == start:
            return data[at]
        if at - start < 64:
            number = 0
            for index in range(at, start - 1, -1):
                number = number << 7 | data[index] & 0x7F
            return number
        return self._big(start, at + 1)

    def _big(self, start: int, end: int) -> int:
        raw = bytearray()
        for at in range(start, end, 8):
            word = 0
            for index in range(min(at + 8, end) - 1, at - 1, -1):
                word = word << 7 | self.data[index] & 0x7F
            raw += word.to_bytes(7, "little")
        return int.from_bytes(raw, "little")

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.at:
            raise DecodingError("unexpected end of memory")
        self.at += size
        return self.data[self.at - size : self.at]

    def value(self, depth: int) -> Any:
        tag = self.uleb()
        kind, arg = tag & 7, tag >> 3
        if kind == _POSITIVE:
            return arg
        if kind == _NEGATIVE:
            return -arg - 1
        if kind == _ATOM:
            return self.atom(arg, tag)
        if kind == 7:
            raise DecodingError("invalid type 7")
        if arg >= MAX_LENGTH:
            raise DecodingError("length does not fit 32 bits")
        if kind == _BYTES:
            return self.make_bytes(self.take(arg))
        if kind == _STR:
            return str(self.take(arg), "utf-8")
        if depth >= MAX_DEPTH:
            raise DecodingError(f"nested deeper than {MAX_DEPTH} levels")
        return self.list(arg, depth + 1) if kind == _LIST else self.map(arg, depth + 1)

    def atom(self, arg: int, tag: int) -> Any:
        if arg == 0:
            return None
        if arg == 1:
            return False
        if arg == 2:
            return True
        if arg == 3:
            return Address(self.take(Address.SIZE))
        raise DecodingError(f"Unknown special {tag:#b} {tag:#x}" if tag < MAX_LENGTH else "Unknown special")

    def list(self, count: int, depth: int) -> list[Any]:
        if count > len(self.data) - self.at:
            raise DecodingError("unexpected end of memory")
        return [self.value(depth) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict[str, Any]:
        if count * 2 > len(self.data) - self.at:
            raise DecodingError("unexpected end of memory")
        result: dict[str, Any] = {}
        previous: str | None = None
        for _ in range(count):
            key = str(self.take(self.uleb()), "utf-8")
            if previous is not None and previous >= key:
                raise DecodingError(f"unordered calldata keys: `{previous}` >= `{key}`")
            result[key] = self.value(depth)
            previous = key
        return result


def decode(buf: Buffer, *, memview2bytes: Callable[[memoryview], Any] = bytes) -> Any:
    """The value of canonical bytes; `memview2bytes` makes what stands for bytes.

    Raises DecodingError for anything but exactly one canonical value, UnicodeDecodeError for bad UTF-8.
    """
    view = memoryview(buf).cast("B")
    decoder = _Decoder(view, memview2bytes)
    value = decoder.value(0)
    if decoder.at != len(view):
        raise DecodingError(f"unparsed end {bytes(view[decoder.at :][:32])!r}... (decoded {value!r:.200})")
    return value


def text_of(value: Any, special: Callable[[Any], str | None] = lambda _value: None) -> str:
    """A readable form; what `special` has a text for is that. Raises TypeError for what has none."""
    value = fields_as_map(value)
    if isinstance(value, CalldataEncodable):
        return text_of(value.__to_calldata__(), special)
    if (text := special(value)) is not None:
        return text
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        # Python refuses to print very long decimals; hex has no such limit.
        return str(int(value)) if value.bit_length() < 14_000 else hex(value)
    if isinstance(value, Address):
        return format(value, "cd")
    if isinstance(value, bytes | bytearray | memoryview):
        return "b#" + bytes(value).hex()
    if isinstance(value, str):
        return json.dumps(str(value))
    if isinstance(value, Sequence):
        return "[" + ",".join(text_of(item, special) for item in value) + "]"
    if isinstance(value, Mapping):
        items = (f"{json.dumps(key)}:{text_of(item, special)}" for key, item in value.items())
        return "{" + ",".join(items) + "}"
    raise TypeError(f"not calldata encodable {value!r}: {type(value).__name__}")


def to_str(x: Any) -> str:
    """A readable form: JSON without spaces, `b#<hex>` for bytes, `addr#<hex>` for addresses."""
    return text_of(x)

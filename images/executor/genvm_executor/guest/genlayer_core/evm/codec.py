"""ABI encoding and decoding of values."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from genlayer_core.types import Address

from .abi import AbiType, InplaceTuple, abi_type, selector_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

_WORD = 32


def _word(number: int) -> bytes:
    return number.to_bytes(_WORD, "big")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _WORD)


def _encode_number(kind: AbiType, value: int) -> bytes:
    signed = kind.kind == "int"
    value.to_bytes(kind.size, "big", signed=signed)
    return value.to_bytes(_WORD, "big", signed=signed)


def _encode_one(kind: AbiType, value: Any) -> bytes:
    match kind.kind:
        case "uint" | "int":
            return _encode_number(kind, value)
        case "bool":
            return _word(1 if value else 0)
        case "address":
            return bytes(12) + bytes(value.as_bytes)
        case "string":
            raw = value.encode("utf-8")
            return _word(len(raw)) + _padded(raw)
        case "bytes":
            return _word(len(value)) + _padded(bytes(value))
        case "fixed_bytes":
            if len(value) != kind.size:
                raise ValueError(f"{kind.name}: expected {kind.size} bytes, got {len(value)}")
            return _padded(bytes(value))
        case "list":
            return _word(len(value)) + _encode_members(kind.items * len(value), value)
    count = kind.size if kind.kind == "array" else len(kind.items)
    if len(value) != count:
        raise ValueError(f"{kind.name}: expected {count} values, got {len(value)}")
    return _encode_members(kind.items * count if kind.kind == "array" else kind.items, value)


def _encode_members(kinds: Sequence[AbiType], values: Any) -> bytes:
    head, tail = bytearray(), bytearray()
    head_size = sum(_WORD if kind.dynamic else kind.head_size for kind in kinds)
    for kind, value in zip(kinds, values, strict=True):
        encoded = _encode_one(kind, value)
        if kind.dynamic:
            head += _word(head_size + len(tail))
            tail += encoded
        else:
            head += encoded
    return bytes(head + tail)


def encode(annotation: Any, value: Any) -> bytes:
    """The ABI encoding. Raises TypeError for a type, ValueError or OverflowError for a value."""
    kind = abi_type(annotation)
    if kind.kind == "tuple" and kind.inplace:
        return _encode_one(kind, value if value is not None else ())
    return _encode_members((kind,), (value,))


class Reader:
    """Reads values relative to a base, as leniently as upstream's v0.2 line does.

    Contracts depend on it: a call to an account without code returns no bytes at all, which is an empty
    text and a zero there. What lies behind the end of the data counts as absent, so that a cut word has the
    sign of its first byte; high bits that do not belong to a small integer are dropped. False is a whole
    word of zeros, and whatever else is found is true: an empty answer, too.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, at: int, size: int) -> bytes:
        return self.data[at : at + size]

    def number(self, at: int) -> int:
        return int.from_bytes(self.take(at, _WORD), "big")

    def value(self, kind: AbiType, at: int) -> Any:
        match kind.kind:
            case "uint" | "int":
                low = self.take(at, _WORD)[-kind.size :]
                return int.from_bytes(low, "big", signed=kind.kind == "int")
            case "bool":
                return self.take(at, _WORD) != bytes(_WORD)
            case "address":
                return Address(self.take(at, _WORD)[12:])
            case "fixed_bytes":
                return self.take(at, _WORD)[: kind.size]
            case "string":
                return self.take(at + _WORD, self.number(at)).decode("utf-8")
            case "bytes":
                return self.take(at + _WORD, self.number(at))
            case "list":
                count = self.number(at)
                # Refused before anything is allocated: no list has more items than the data has bytes.
                if count > len(self.data):
                    raise ValueError(f"a list of {count} items in {len(self.data)} bytes of ABI data")
                return self.members(kind.items * count, at + _WORD)
            case "array":
                return self.members(kind.items * kind.size, at)
        return tuple(self.members(kind.items, at))

    def members(self, kinds: Sequence[AbiType], base: int) -> list[Any]:
        values, at = [], base
        for kind in kinds:
            if kind.dynamic:
                values.append(self.value(kind, base + self.number(at)))
                at += _WORD
            else:
                values.append(self.value(kind, at))
                at += kind.head_size
        return values


def decode(annotation: Any, data: Buffer) -> Any:
    """The value of ABI data. Raises ValueError when the data cannot hold one, UnicodeDecodeError for text."""
    return decode_with(Reader, annotation, data)


def decode_with(make_reader: type[Reader], annotation: Any, data: Buffer) -> Any:
    """The value as a reader of another strictness sees it."""
    kind = abi_type(annotation)
    reader = make_reader(bytes(data))
    if kind.kind == "tuple" and kind.inplace:
        return reader.value(kind, 0)
    return reader.members((kind,), 0)[0]


class MethodEncoder:
    """Calldata of one method: selector and arguments; and its return value."""

    _encode = staticmethod(encode)
    _decode = staticmethod(decode)

    def __init__(self, name: str, params: Sequence[Any], ret: Any) -> None:
        self.name = name
        self.selector = selector_of(name, types.GenericAlias(tuple, tuple(params)))
        self._params = types.GenericAlias(tuple, (InplaceTuple, *params))
        self._ret = ret

    def encode_call(self, args: Sequence[Any]) -> bytes:
        """Selector and encoded arguments. ValueError for a wrong number of them."""
        return self.selector + self._encode(self._params, tuple(args))

    def decode_ret(self, data: Buffer) -> Any:
        """The return value, None for a method without one."""
        if self._ret is None or self._ret is type(None):
            return None
        return self._decode(self._ret, data)

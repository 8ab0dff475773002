"""ABI data, read strictly: words, offsets, padding as an encoder writes them (contract-sdk-v03 12)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genlayer_core.evm import codec
from genlayer_core.evm.abi import AbiType
from genlayer_core.types import Address

if TYPE_CHECKING:
    from typing_extensions import Buffer

_WORD = 32


class DecodingError(ValueError):
    """The bytes are not the ABI's encoding of such a value; what follows it may be anything."""


class _Reader(codec.Reader):
    def take(self, at: int, size: int) -> bytes:
        if at + size > len(self.data):
            raise DecodingError(f"unexpected end of data: {size} bytes at {at} of {len(self.data)}")
        return self.data[at : at + size]

    def _padded(self, at: int, size: int) -> bytes:
        word = self.take(at, size + -size % _WORD)
        if any(word[size:]):
            raise DecodingError(f"non-zero trailing padding at {at + size}")
        return word[:size]

    def value(self, kind: AbiType, at: int) -> Any:
        match kind.kind:
            case "uint" | "int":
                return self._integer(kind, at)
            case "bool":
                if (number := self.number(at)) > 1:
                    raise DecodingError(f"{number} is no bool")
                return number == 1
            case "address":
                word = self.take(at, _WORD)
                if any(word[:12]):
                    raise DecodingError(f"dirty high bits of an address at {at}")
                return Address(word[12:])
            case "fixed_bytes":
                return self._padded(at, kind.size)
            case "string":
                return self._text(at)
            case "bytes":
                return self._padded(at + _WORD, self.number(at))
        return super().value(kind, at)

    def _integer(self, kind: AbiType, at: int) -> int:
        signed = kind.kind == "int"
        number = int.from_bytes(self.take(at, _WORD), "big", signed=signed)
        try:
            number.to_bytes(kind.size, "big", signed=signed)
        except OverflowError:
            raise DecodingError(f"dirty high bits of {kind.name} at {at}") from None
        return number

    def _text(self, at: int) -> str:
        try:
            return self._padded(at + _WORD, self.number(at)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise DecodingError(f"invalid UTF-8: {error}") from None

    def members(self, kinds: Sequence[AbiType], base: int) -> list[Any]:
        head = sum(_WORD if kind.dynamic else kind.head_size for kind in kinds)
        if base + head > len(self.data):
            raise DecodingError(f"unexpected end of data: a head is outside of the {len(self.data)} bytes")
        values, at = [], base
        for kind in kinds:
            if kind.dynamic:
                values.append(self.value(kind, base + self._offset(at, base, head)))
                at += _WORD
            else:
                values.append(self.value(kind, at))
                at += kind.head_size
        return values

    def _offset(self, at: int, base: int, head: int) -> int:
        offset = self.number(at)
        if offset % _WORD:
            raise DecodingError(f"offset {offset} is not 32-byte aligned")
        if base + offset >= len(self.data):
            raise DecodingError(f"offset {offset} is outside the data")
        if offset < head:
            raise DecodingError(f"offset {offset} points into the head")
        return offset


def encode(annotation: Any, value: Any) -> bytes:
    """The ABI encoding. Raises TypeError for a type, ValueError for a value."""
    try:
        return codec.encode(annotation, value)
    except OverflowError as error:
        raise ValueError(f"an integer is outside the range of its type: {error}") from None


def decode(annotation: Any, data: Buffer) -> Any:
    """The value of ABI data. Raises DecodingError."""
    return codec.decode_with(_Reader, annotation, data)


class MethodEncoder(codec.MethodEncoder):
    """Calldata of one method: selector and arguments; and its return value."""

    _encode = staticmethod(encode)
    _decode = staticmethod(decode)

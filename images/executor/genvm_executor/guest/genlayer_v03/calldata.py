"""The value format as contracts of this line see it (contract-sdk-v03 6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genlayer_core import calldata as _shared
from genlayer_core.calldata import CalldataEncodable, DecodingError, Raw
from genlayer_core.types import Address

if TYPE_CHECKING:
    from typing_extensions import Buffer

Encodable = (
    None | bool | int | str | bytes | Address | Sequence[Any] | Mapping[str, Any] | CalldataEncodable | Raw
)
EncodableWithDefault = Any
Decoded = None | bool | int | str | bytes | Address | list[Any] | dict[str, Any]


class DataclassMixin(CalldataEncodable):
    """A dataclass that is encoded as the map of its fields."""

    def __to_calldata__(self) -> dict[str, Any]:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {field.name: getattr(self, field.name) for field in fields}


def _default(value: Any) -> Any:
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        raise TypeError(f"expected dataclass instance, got type {value!r}")
    return _shared.fields_as_map(value)


def encode(x: Any, /, *, default: Callable[[Any], Any] = _default) -> bytes:
    """The canonical bytes of a value; `default` sees every value first and returns what to encode instead.

    Raises TypeError for what the format cannot hold, ValueError beyond 128 levels.
    """
    return _shared.encode(x, default=default)


def decode(buf: Buffer, /, *, memview2bytes: Callable[[memoryview], Any] = bytes) -> Any:
    """The value of canonical bytes. Raises DecodingError for others, UnicodeDecodeError for bad UTF-8."""
    return _shared.decode(buf, memview2bytes=memview2bytes)


def _special(value: Any) -> str | None:
    if isinstance(value, Raw):
        return "raw#" + value.data.hex()
    try:
        return "b#" + memoryview(value).tobytes().hex()
    except TypeError:
        return None


def to_str(x: Any, /) -> str:
    """A readable form: JSON without spaces, `b#` and `raw#` with hex for bytes, `addr#` for addresses.

    Raises DecodingError for what cannot be encoded.
    """
    try:
        return _shared.text_of(x, _special)
    except TypeError as error:
        raise DecodingError(f"can't encode {x!r} to calldata") from error


__all__ = (
    "CalldataEncodable",
    "DataclassMixin",
    "Decoded",
    "DecodingError",
    "Encodable",
    "EncodableWithDefault",
    "Raw",
    "decode",
    "encode",
    "to_str",
)

"""The binary value format as contracts of this line see it (contract-sdk 6)."""

from collections.abc import Mapping, Sequence
from typing import Any

from genlayer_core.calldata import CalldataEncodable, DecodingError, decode, encode, to_str
from genlayer_core.types import Address

Encodable = None | bool | int | str | bytes | Address | Sequence[Any] | Mapping[str, Any] | CalldataEncodable
EncodableWithDefault = Any
Decoded = None | bool | int | str | bytes | Address | list[Any] | dict[str, Any]

__all__ = (
    "Address",
    "CalldataEncodable",
    "Decoded",
    "DecodingError",
    "Encodable",
    "EncodableWithDefault",
    "decode",
    "encode",
    "to_str",
)

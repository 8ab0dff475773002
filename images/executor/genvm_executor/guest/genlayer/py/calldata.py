"""The binary value format as contracts of this line see it (contract-sdk 6)."""

from genlayer_core.calldata import CalldataEncodable, DecodingError, decode, encode, to_str
from genlayer_core.types import Address

__all__ = ("Address", "CalldataEncodable", "DecodingError", "decode", "encode", "to_str")

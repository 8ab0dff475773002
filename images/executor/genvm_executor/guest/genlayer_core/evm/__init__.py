"""The contract ABI of the EVM (contract-sdk 11)."""

from . import calldata as calldata
from .abi import BYTES_TYPES, InplaceTuple, selector_of, signature_of, type_name_of
from .codec import MethodEncoder, decode, encode

globals().update(BYTES_TYPES)

__all__ = (  # noqa: PLE0604
    "InplaceTuple",
    "MethodEncoder",
    "decode",
    "encode",
    "selector_of",
    "signature_of",
    "type_name_of",
    *BYTES_TYPES,
)

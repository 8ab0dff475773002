"""The ABI under the name that contracts import it by."""

from genlayer_core.evm import selector_of, signature_of, type_name_of

from ..inner.strict_abi import MethodEncoder, decode, encode

__all__ = ("MethodEncoder", "decode", "encode", "selector_of", "signature_of", "type_name_of")

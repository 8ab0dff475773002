"""The ABI under the name that contracts of the first lines import it by."""

from .abi import selector_of, signature_of, type_name_of
from .codec import MethodEncoder, decode, encode

__all__ = ("MethodEncoder", "decode", "encode", "selector_of", "signature_of", "type_name_of")

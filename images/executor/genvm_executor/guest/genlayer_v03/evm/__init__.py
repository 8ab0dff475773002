"""Contracts of the EVM chain below, and its ABI (contract-sdk-v03 12)."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from genlayer_core import evm_contracts as _contracts
from genlayer_core import requests as _requests
from genlayer_core.evm import InplaceTuple, selector_of, signature_of, type_name_of
from genlayer_core.evm.abi import BYTES_TYPES as _BYTES_TYPES
from genlayer_core.types import Address

from .. import chain as _chain
from ..inner.strict_abi import DecodingError, MethodEncoder, decode, encode
from . import calldata as calldata
from .generate import ContractDeclaration, ContractProxy, contract_generator

globals().update(_BYTES_TYPES)
_MESSAGE = "EmitExternalMessage"


class EvmContract(_contracts.EvmContract):
    """A contract of the EVM chain."""

    view_request = "ExternalCall"
    send_request = _MESSAGE
    encoder = MethodEncoder

    def emit_transfer(self, value: int) -> None:
        """Send value without calldata."""
        self._send(b"", value)


def contract_interface(declaration: type) -> type[_contracts.EvmContract]:
    """The proxy class for a declaration with `View` and `Write`.

    Every parameter must be positional-only, annotated and without default (AssertionError).
    """
    return _contracts.declare(declaration, EvmContract)


@runtime_checkable
class IAccount(_chain.IAccount, Protocol):
    """An account that takes calls of the chain below."""

    def emit_call(self, value: int, data: bytes, /) -> None:
        """Send a call."""


class Account(_chain.Account):
    """An account of the EVM chain; its transfers are messages of this chain."""

    def emit_call(self, value: int, data: bytes, /) -> None:
        """Send a call with value."""
        _requests.call(_MESSAGE, {"address": self.address, "calldata": data, "value": value})


__all__ = (  # noqa: PLE0604
    "Account",
    "Address",
    "ContractDeclaration",
    "ContractProxy",
    "DecodingError",
    "IAccount",
    "InplaceTuple",
    "MethodEncoder",
    "contract_generator",
    "contract_interface",
    "decode",
    "encode",
    "selector_of",
    "signature_of",
    "type_name_of",
    *_BYTES_TYPES,
)

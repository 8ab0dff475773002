"""Contracts of the EVM chain below, and its ABI (contract-sdk 11)."""

from __future__ import annotations

from genlayer_core import evm_contracts as _contracts
from genlayer_core.evm import *  # noqa: F403
from genlayer_core.evm import __all__ as _abi_names


class EvmContract(_contracts.EvmContract):
    """A contract of the EVM chain."""

    view_request = "EthCall"
    send_request = "EthSend"

    def emit_transfer(self, *, value: int) -> None:
        """Send value without calldata."""
        self._send(b"", value)


def contract_interface(declaration: type) -> type[_contracts.EvmContract]:
    """The proxy class for a declaration with `View` and `Write`.

    Every parameter must be positional-only, annotated and without default (AssertionError).
    """
    return _contracts.declare(declaration, EvmContract)


__all__ = (*_abi_names, "contract_interface")  # noqa: PLE0604

"""The contract, and other contracts of this chain (contract-sdk-v03 7)."""

from __future__ import annotations

import typing
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from genlayer_core import contract as _contract
from genlayer_core import requests as _requests
from genlayer_core import start as _start
from genlayer_core.proxies import EmitMethods as _EmitMethodsBase
from genlayer_core.proxies import ViewMethods as _ViewMethodsBase
from genlayer_core.proxies import deployed_address as _deployed_address
from genlayer_core.schema import SchemaRules as _SchemaRules
from genlayer_core.types import Address

from .chain import ON, InternalMessageParams
from .inner import messages as _messages
from .message_allocation import UseBalanceParams
from .vm.public_abi import StorageView
from .vm.results import delivered as _delivered

_NO_KWARGS: Mapping[str, Any] = {}
UseBalance = bool | UseBalanceParams | None


def _literal(values: tuple[Any, ...]) -> str:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return "bool"
    if kinds and kinds <= {int, bool}:
        return "int"
    return "string" if kinds == {str} else "any"


class Contract(_contract.Contract, base=True):
    """Base of the contract. Annotated attributes are storage fields; exactly one subclass may exist."""

    __gl_schema_rules__ = _SchemaRules(literal=_literal, annotated=True, text_is_sequence=False)

    def emit_transfer(self, value: int, *, on: ON = "finalized") -> None:
        """Send value to itself, which is hardly meant: it warns."""
        warnings.warn("the contract sends value to itself", stacklevel=2)
        _messages.emit_transfer(self.address, value, {"on": on})


class _ViewMethods(_ViewMethodsBase):
    request = "CallContract"
    method_key = _messages.METHOD_KEY

    def read(self, reply: bytes) -> Any:
        return _delivered(reply, catch_vm_error=self._options["catch_vm_error"])


class _EmitMethods(_EmitMethodsBase):
    request = _messages.MESSAGE
    method_key = _messages.METHOD_KEY


class Proxy:
    """Another contract of this chain."""

    def __init__(self, address: Address, /) -> None:
        self.address = address

    @property
    def balance(self) -> int:
        """Its balance."""
        return _messages.account_balance(self.address)

    def view(self, *, state: StorageView = StorageView.LATEST_DECIDED, catch_vm_error: bool = False) -> Any:
        """`.view().method(…)` calls it now and gives its value, or with `catch_vm_error` its `VMError`.

        Raises vm.UserError when it ends with one.
        """
        return _ViewMethods(self.address, {"storage_view": state.value, "catch_vm_error": catch_vm_error})

    def emit(
        self,
        use_balance: UseBalance = None,
        *,
        value: int = 0,
        on: ON = "finalized",
        fee_params: InternalMessageParams | None = None,
    ) -> Any:
        """`.emit().method(…)` sends a message once this transaction is decided or finalized."""
        fees = _messages.fee_fields(use_balance, fee_params)
        return _EmitMethods(self.address, {"value": value, "on": on, **fees})

    def emit_transfer(
        self,
        value: int,
        use_balance: UseBalance = None,
        *,
        on: ON = "finalized",
        fee_params: InternalMessageParams | None = None,
    ) -> None:
        """Send value without a method. ValueError unless it is above zero."""
        _messages.emit_transfer(
            self.address, value, {"on": on, **_messages.fee_fields(use_balance, fee_params)}
        )


@typing.runtime_checkable
class GenVMContractDeclaration(typing.Protocol):
    """What `interface` takes: a class with `View` and `Write`."""

    View: type
    Write: type


def get_at(address: Address, /) -> Proxy:
    """The contract at an address. TypeError for anything but an `Address`."""
    if not isinstance(address, Address):
        raise TypeError("address expected")
    return Proxy(address)


def interface(_declaration: type) -> Any:
    """Declares another contract's methods for type checkers; gives `get_at`."""
    return get_at


def deploy(
    use_balance: UseBalance = None,
    *,
    code: bytes,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] = _NO_KWARGS,
    salt_nonce: int = 0,
    value: int = 0,
    on: Literal["decided", "finalized"] = "finalized",
    fee_params: InternalMessageParams | None = None,
) -> Address | None:
    """Deploy a contract; with a non-zero `salt_nonce` its address is known at once and returned."""
    _requests.call(
        "EmitInternalDeployMessage",
        {
            "calldata": _requests.method_call(_messages.METHOD_KEY, None, args, kwargs),
            "code": code,
            "value": value,
            "on": on,
            "salt_nonce": salt_nonce,
            **_messages.fee_fields(use_balance, fee_params),
        },
    )
    if salt_nonce == 0:
        return None
    return _deployed_address(_start.field("contract_address"), salt_nonce, _start.field("chain_id"))


__all__ = (
    "ON",
    "Contract",
    "GenVMContractDeclaration",
    "Proxy",
    "StorageView",
    "deploy",
    "get_at",
    "interface",
)

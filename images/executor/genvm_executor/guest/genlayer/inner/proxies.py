"""Talking to other contracts (contract-sdk 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from genlayer_core import requests, start, wasi
from genlayer_core.proxies import EmitMethods, ViewMethods, deployed_address
from genlayer_core.types import Address

from genlayer.gl import vm
from genlayer.py.public_abi import StorageType

METHOD_KEY = "method"
On = Literal["finalized", "accepted"]

_NO_KWARGS: Mapping[str, Any] = {}


class _ViewMethods(ViewMethods):
    request = "CallContract"
    method_key = METHOD_KEY

    @staticmethod
    def read(reply: bytes) -> Any:
        return vm.unpack_result(vm._decode_result(reply))


class _EmitMethods(EmitMethods):
    request = "PostMessage"
    method_key = METHOD_KEY


class ContractProxy:
    """Another contract of this chain."""

    def __init__(self, address: Address) -> None:
        self.address = address

    @property
    def balance(self) -> int:
        """Its balance."""
        return wasi.get_balance(self.address.as_bytes)

    def view(self, *, state: StorageType = StorageType.LATEST_NON_FINAL) -> Any:
        """`.view().method(…)` calls it now and gives its value. Raises vm.UserError when it fails."""
        return _ViewMethods(self.address, {"state": state})

    def emit(self, *, value: int = 0, on: On = "finalized") -> Any:
        """`.emit().method(…)` sends a message once this transaction is accepted or finalized."""
        return _EmitMethods(self.address, {"value": value, "on": on})

    def emit_transfer(self, *, value: int, on: On = "finalized") -> None:
        """Send value without a method. ValueError unless it is above zero."""
        if value <= 0:
            raise ValueError("value must be greater than 0")
        payload = {"address": self.address, "calldata": {}, "value": value, "on": on}
        requests.call("PostMessage", payload)


def get_contract_at(address: Address) -> ContractProxy:
    """The contract at an address. TypeError for anything but an `Address`."""
    if not isinstance(address, Address):
        raise TypeError("address expected")
    return ContractProxy(address)


def contract_interface(_declaration: type) -> Any:
    """Declares another contract's methods for type checkers; gives `get_contract_at`."""
    return get_contract_at


def deploy_contract(
    *,
    code: bytes,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] = _NO_KWARGS,
    salt_nonce: int = 0,
    value: int = 0,
    on: On = "finalized",
) -> Address | None:
    """Deploy a contract; with a non-zero `salt_nonce` its address is known at once and returned."""
    calldata = requests.method_call(METHOD_KEY, None, args, kwargs)
    requests.call(
        "DeployContract",
        {"calldata": calldata, "code": code, "value": value, "on": on, "salt_nonce": salt_nonce},
    )
    if salt_nonce == 0:
        return None
    return deployed_address(start.field("contract_address"), salt_nonce, start.field("chain_id"))

"""Talking to other contracts (contract-sdk.md, 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from genlayer.gl import vm, wasi
from genlayer.py.keccak import Keccak256
from genlayer.py.public_abi import StorageType
from genlayer.py.types import Address, Lazy

from . import requests, start
from .deferred import LazyCapable

On = Literal["finalized", "accepted"]

_NO_KWARGS: Mapping[str, Any] = {}


class _Methods:
    """Any attribute is a method of the other contract."""

    def __init__(self, address: Address, options: dict[str, Any]) -> None:
        self._address = address
        self._options = options

    def __reduce__(self) -> Any:
        # Without this, attribute lookups of the pickling machinery would turn into remote methods.
        return (type(self), (self._address, self._options))


class _ViewMethods(_Methods):
    def __getattr__(self, name: str) -> LazyCapable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Lazy[Any]:
            calldata = requests.method_call(name, args, kwargs)
            payload = {"address": self._address, "calldata": calldata, **self._options}
            reply = requests.ask("CallContract", payload)
            return Lazy(lambda: vm.unpack_result(vm.decode_result(reply)))

        return LazyCapable(call)


class _EmitMethods(_Methods):
    def __getattr__(self, name: str) -> Any:
        def emit(*args: Any, **kwargs: Any) -> None:
            calldata = requests.method_call(name, args, kwargs)
            requests.call("PostMessage", {"address": self._address, "calldata": calldata, **self._options})

        return emit


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
    calldata = requests.method_call(None, args, kwargs)
    requests.call(
        "DeployContract",
        {"calldata": calldata, "code": code, "value": value, "on": on, "salt_nonce": salt_nonce},
    )
    if salt_nonce == 0:
        return None
    message = start.message()
    return deployed_address(message.contract_address, salt_nonce, message.chain_id)


def deployed_address(deployer: Address, salt_nonce: int, chain_id: int) -> Address:
    """Where a deployment with a salt goes."""
    seed = b"\x01" + deployer.as_bytes + salt_nonce.to_bytes(32, "big") + chain_id.to_bytes(32, "big")
    return Address(Keccak256(seed).digest()[:20])

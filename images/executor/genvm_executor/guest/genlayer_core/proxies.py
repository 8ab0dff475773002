"""Talking to other contracts (contract-sdk 11). What a line calls its requests is its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from . import requests
from .deferred import LazyCapable
from .keccak import Keccak256
from .types import Address, Lazy


class Methods:
    """Any attribute is a method of the other contract. `options` are the other keys of the request."""

    request: ClassVar[str]
    method_key: ClassVar[str]

    def __init__(self, address: Address, options: dict[str, Any]) -> None:
        self._address = address
        self._options = options

    def __reduce__(self) -> Any:
        # Without this, attribute lookups of the pickling machinery would turn into remote methods.
        return (type(self), (self._address, self._options))

    def _payload(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        calldata = requests.method_call(self.method_key, name, args, kwargs)
        return {"address": self._address, "calldata": calldata, **self._options}


class ViewMethods(Methods):
    """Calls them now; `read` makes the value of a reply."""

    read: Callable[[bytes], Any]

    def __getattr__(self, name: str) -> LazyCapable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Lazy[Any]:
            reply = requests.ask(self.request, self._payload(name, args, kwargs))
            return Lazy(lambda: self.read(reply))

        return LazyCapable(call)


class EmitMethods(Methods):
    """Sends messages to them."""

    def __getattr__(self, name: str) -> Any:
        def emit(*args: Any, **kwargs: Any) -> None:
            requests.call(self.request, self._payload(name, args, kwargs))

        return emit


def deployed_address(deployer: Address, salt_nonce: int, chain_id: int) -> Address:
    """Where a deployment with a salt goes."""
    seed = b"\x01" + deployer.as_bytes + salt_nonce.to_bytes(32, "big") + chain_id.to_bytes(32, "big")
    return Address(Keccak256(seed).digest()[:20])

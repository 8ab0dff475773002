"""Proxies of contracts of the EVM chain that somebody else's functions serve (contract-sdk-v03 12)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NotRequired, Protocol, TypedDict, runtime_checkable

from genlayer_core import evm_contracts as _contracts
from genlayer_core.types import Address

ContractProxy = _contracts.EvmContract
Make = Callable[[str, tuple[Any, ...], Any], Callable[..., Any]]
"""From the name of a method, the types of its parameters and of its result to what a proxy then calls."""


class TransactionDataKwArgs(TypedDict):
    """What every message may say besides its method."""

    value: NotRequired[int]


@runtime_checkable
class ContractDeclaration(Protocol):
    """What `contract_interface` takes: a class with `View` and `Write`."""

    View: type
    Write: type


class _Methods:
    """Methods of one kind, each a function that gets this object first."""

    def __init__(self, made: dict[str, Callable[..., Any]], proxy: Any, data: TransactionDataKwArgs) -> None:
        self._made = made
        self._proxy_parent = proxy
        self._proxy_args = (data,) if data else ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._made:
            raise AttributeError(f"the interface declares no method {name!r} here")
        return self._made[name].__get__(self)


def contract_generator(
    generate_view: Make,
    generate_send: Make,
    balance_getter: Callable[[Any], int],
    transfer: Callable[[Any, TransactionDataKwArgs], None],
    /,
) -> Callable[[type], type[ContractProxy]]:
    """A decorator like `contract_interface`, whose proxies call these functions instead of the host."""

    def declare(declaration: type) -> type[ContractProxy]:
        views = _made(declaration, "View", generate_view)
        writes = _made(declaration, "Write", generate_send)

        class Served(ContractProxy):
            def __init__(self, address: Address) -> None:
                self.address = address

            @property
            def balance(self) -> int:
                return balance_getter(self)

            def view(self) -> Any:
                return _Methods(views, self, {})

            def emit(self, *, value: int = 0) -> Any:
                return _Methods(writes, self, {"value": value})

            def emit_transfer(self, value: int = 0) -> None:
                transfer(self, {"value": value})

        return Served

    return declare


def _made(declaration: type, kind: str, make: Make) -> dict[str, Callable[..., Any]]:
    methods = _contracts.signatures(declaration, kind)
    return {name: make(name, parameters, result) for name, (parameters, result) in methods.items()}


__all__ = ("ContractDeclaration", "ContractProxy", "TransactionDataKwArgs", "contract_generator")

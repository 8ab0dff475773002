"""Declaring a contract (contract-sdk.md, 7.1)."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, TypeVar

from genlayer.gl import wasi
from genlayer.py.storage.build import contract_layout
from genlayer.py.types import Address

from . import start

F = TypeVar("F", bound=Callable[..., Any])


def _mark(fn: F, *, readonly: bool, payable: bool = False, leader: int = 0, validator: int = 0) -> F:
    fn.__gl_public__ = True  # type: ignore[attr-defined]
    fn.__gl_readonly__ = readonly  # type: ignore[attr-defined]
    fn.__gl_payable__ = payable  # type: ignore[attr-defined]
    fn.__gl_min_gas_leader__ = leader  # type: ignore[attr-defined]
    fn.__gl_min_gas_validator__ = validator  # type: ignore[attr-defined]
    return fn


class _Write:
    """`public.write`, alone or with `.payable` and `.min_gas(leader=…, validator=…)`."""

    def __init__(self, leader: int = 0, validator: int = 0) -> None:
        self._leader = leader
        self._validator = validator

    def __call__(self, fn: F) -> F:
        return _mark(fn, readonly=False, leader=self._leader, validator=self._validator)

    def payable(self, fn: F) -> F:
        """A write method that takes value."""
        return _mark(fn, readonly=False, payable=True, leader=self._leader, validator=self._validator)

    def min_gas(self, *, leader: int = 0, validator: int = 0) -> _Write:
        """Gas that the schema advertises."""
        return _Write(leader, validator)


class public:
    """Marks methods that callers may name."""

    write = _Write()

    @staticmethod
    def view(fn: F) -> F:
        """A method that only reads."""
        return _mark(fn, readonly=True)


def private(fn: F) -> F:
    """Nothing: methods are private unless marked public."""
    return fn


class Registry:
    """The one contract class of this VM."""

    contract: type[Contract] | None = None


class Contract:
    """Base of the contract. Annotated attributes are storage fields; exactly one subclass may exist."""

    __gl_contract__ = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Registry.contract is not None:
            raise TypeError(
                f"only one contract is allowed; first: {Registry.contract!r}, second: {cls!r} "
                "(put shared code into a class that does not inherit gl.Contract)"
            )
        Registry.contract = cls
        contract_layout(cls)

    @property
    def balance(self) -> int:
        """Own balance."""
        return wasi.get_self_balance()

    @property
    def address(self) -> Address:
        """Own address."""
        return start.message().contract_address

    @abc.abstractmethod
    def __receive__(self) -> Any:
        """Called for a message without a method name."""

    @abc.abstractmethod
    def __handle_undefined_method__(self, method_name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Called for a method that does not exist."""

    @public.write.payable
    def __on_errored_message__(self) -> Any:
        """Called when a message that this contract sent with value failed."""

    @classmethod
    def __get_schema__(cls) -> str:
        """The schema as JSON text."""
        from .schema import contract_schema  # noqa: PLC0415

        return contract_schema(cls)

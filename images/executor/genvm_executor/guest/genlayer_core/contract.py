"""Declaring a contract (contract-sdk 7.1)."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, TypeVar

from . import start, wasi
from .schema import SchemaRules, contract_schema
from .storage.build import contract_layout
from .types import Address

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
    """Base of the contract. Annotated attributes are storage fields; exactly one subclass may exist.

    A line's own base says `base=True`, and how its schema is written.
    """

    __gl_contract__ = True
    # Without an annotation: those of a contract's bases are read as fields, each time.
    __gl_schema_rules__ = SchemaRules()

    def __init_subclass__(cls, *, base: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if base:
            return
        if Registry.contract is not None:
            raise TypeError(
                f"only one contract is allowed; first: `{Registry.contract!r}` second: `{cls!r}` "
                "(put shared code into a class that does not inherit Contract)"
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
        return start.field("contract_address")  # type: ignore[no-any-return]

    @abc.abstractmethod
    def __receive__(self) -> Any:
        """Called for a message without a method name."""

    @abc.abstractmethod
    def __handle_undefined_method__(self, method_name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Called for a method that does not exist."""

    @classmethod
    def __get_schema__(cls) -> str:
        """The schema as JSON text."""
        return contract_schema(cls, cls.__gl_schema_rules__)

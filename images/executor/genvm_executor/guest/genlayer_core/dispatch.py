"""From a message to a method (contract-sdk 7.2). Each line has its `Dispatch`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import calldata, start
from .contract import Contract, Registry
from .storage.root import Root

Objection = Callable[[Any], str | None]
GET_SCHEMA = "#get-schema"


def no_objection(_request: dict[str, Any]) -> None:
    """For a line that leaves a call's form to Python."""


def not_public(method: Any) -> str | None:
    """Callers name public methods only."""
    return None if getattr(method, "__gl_public__", False) else f"call to private method `{method}`"


def abstract(method: Any) -> str | None:
    """A contract need not have its handlers."""
    return f"method is abstract `{method}`" if getattr(method, "__isabstractmethod__", False) else None


def value_for_non_payable(method: Any) -> str | None:
    """Value goes to payable methods only."""
    if start.field("value") > 0 and not getattr(method, "__gl_payable__", False):
        return f"called non-payable method `{method}` with non-zero value"
    return None


@dataclass(frozen=True)
class Dispatch:
    """How a line finds the method that a message asks for."""

    root: type[Root]
    method_keys: tuple[str, ...]
    """where the calldata has the method's name, the first that is there"""
    objections: tuple[Objection, ...]
    """why a method is not called now, the first that applies"""
    specials: Mapping[str, str] = field(default_factory=dict)
    """special names, and the contract's method that serves each"""
    check: Callable[[dict[str, Any]], None] = no_objection
    """raises TypeError for a call of another form"""

    def run_main(self, contract: type[Contract] | None, entry_data: bytes, *, is_init: bool) -> Any:
        """Run what the calldata asks for and give the value to return. Raises whatever goes wrong."""
        if contract is None:
            raise Exception("no contract defined")  # noqa: TRY002
        request = calldata.decode(entry_data)
        if not isinstance(request, dict):
            raise TypeError(f"invalid calldata, expected dict got `{type(request).__name__}`")
        self.check(request)
        call = self._deployment(contract) if is_init else self._resolve(contract, request)
        if call is None:
            return contract.__get_schema__()
        instance = self.root.get().get_contract_instance(contract)
        return call(instance, *request.get("args", ()), **request.get("kwargs", {}))

    def _deployment(self, contract: type[Contract]) -> Callable[..., Any]:
        self.root.get().lock_default()
        constructor: Callable[..., Any] = contract.__init__
        if getattr(constructor, "__gl_public__", False):
            raise TypeError("__init__ must be private")
        return constructor

    def _method_name(self, request: dict[str, Any]) -> str:
        name = next((request[key] for key in self.method_keys if key in request), "")
        if not isinstance(name, str):
            raise TypeError(
                f"invalid calldata, expected method selector to be str, got `{type(name).__name__}`"
            )
        return name

    def _resolve(self, contract: type[Contract], request: dict[str, Any]) -> Callable[..., Any] | None:
        """The function to call, None for the schema."""
        name = self._method_name(request)
        if name in self.specials:
            return getattr(contract, self.specials[name])  # type: ignore[no-any-return]
        if name == GET_SCHEMA:
            return None
        if name == "":
            return self._nameless(contract, request)
        if name.startswith("__"):
            raise ValueError("calls to methods that start with __ is forbidden")
        if name.startswith("#"):
            raise ValueError(f"unknown special method {name}")
        method = getattr(contract, name, None)
        if method is not None:
            return self._checked(method)  # type: ignore[no-any-return]
        return self._undefined(contract, name, request)

    def _objection(self, method: Any) -> str | None:
        return next((text for objection in self.objections if (text := objection(method))), None)

    def _checked(self, method: Any) -> Any:
        """The method itself. Raises ValueError when callers may not call it now."""
        if (objection := self._objection(method)) is not None:
            raise ValueError(objection)
        return method

    def _nameless(self, contract: type[Contract], request: dict[str, Any]) -> Callable[..., Any]:
        if self._objection(contract.__receive__) is None:
            return contract.__receive__
        return self._undefined(contract, "", request)

    def _undefined(self, contract: type[Contract], name: str, request: dict[str, Any]) -> Callable[..., Any]:
        handler = self._checked(contract.__handle_undefined_method__)
        args, kwargs = list(request.get("args", ())), request.get("kwargs", {})

        def handle(instance: Contract, *_args: Any, **_kwargs: Any) -> Any:
            return handler(instance, name, args, kwargs)

        return handle


def registered() -> type[Contract] | None:
    """The contract class that was created in this VM."""
    return Registry.contract

"""From a message to a method (contract-sdk.md, 7.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from genlayer.py import calldata
from genlayer.py.public_abi import SpecialMethod
from genlayer.py.storage.root import Root

from . import start
from .contract import Contract, Registry


def _objection(method: Any) -> str | None:
    """Why callers may not call a method now; None when they may."""
    if not getattr(method, "__gl_public__", False):
        return f"call to private method `{method}`"
    if getattr(method, "__isabstractmethod__", False):
        return f"call to abstract method `{method}`"
    if start.message().value > 0 and not getattr(method, "__gl_payable__", False):
        return f"called non-payable method `{method}`"
    return None


def _checked(method: Any) -> Any:
    """The method itself. Raises ValueError when callers may not call it now."""
    if (objection := _objection(method)) is not None:
        raise ValueError(objection)
    return method


def run_main(contract: type[Contract] | None, entry_data: bytes, *, is_init: bool) -> Any:
    """Run what the calldata asks for and give the value to return. Raises whatever goes wrong."""
    if contract is None:
        raise Exception("no contract defined")  # noqa: TRY002
    request = calldata.decode(entry_data)
    if not isinstance(request, dict):
        raise TypeError(f"calldata of a call is a map, not {type(request).__name__}")
    call = _deployment(contract) if is_init else _resolve(contract, _method_name(request), request)
    if call is None:
        return contract.__get_schema__()
    instance = Root.get().get_contract_instance(contract)
    return call(instance, *request.get("args", ()), **request.get("kwargs", {}))


def registered() -> type[Contract] | None:
    """The contract class that was created in this VM."""
    return Registry.contract


def _deployment(contract: type[Contract]) -> Callable[..., Any]:
    Root.get().lock_default()
    constructor: Callable[..., Any] = contract.__init__
    if getattr(constructor, "__gl_public__", False):
        raise TypeError("__init__ must not be public")
    return constructor


def _method_name(request: dict[str, Any]) -> str:
    # Newer hosts send the name under the empty key.
    name = request.get("method", request.get("", ""))
    if not isinstance(name, str):
        raise TypeError(f"the method's name is text, not {type(name).__name__}")
    return name


def _resolve(contract: type[Contract], name: str, request: dict[str, Any]) -> Callable[..., Any] | None:
    """The function to call, None for the schema."""
    if name == SpecialMethod.ERRORED_MESSAGE:
        return contract.__on_errored_message__
    if name == SpecialMethod.GET_SCHEMA:
        return None
    if name == "":
        return _nameless(contract, request)
    if name.startswith("__"):
        raise ValueError("calls to methods that start with __ is forbidden")
    if name.startswith("#"):
        raise ValueError(f"unknown special method {name}")
    method = getattr(contract, name, None)
    if method is not None:
        return _checked(method)  # type: ignore[no-any-return]
    return _undefined(contract, name, request)


def _nameless(contract: type[Contract], request: dict[str, Any]) -> Callable[..., Any]:
    if _objection(contract.__receive__) is None:
        return contract.__receive__
    return _undefined(contract, "", request)


def _undefined(contract: type[Contract], name: str, request: dict[str, Any]) -> Callable[..., Any]:
    handler = _checked(contract.__handle_undefined_method__)
    args, kwargs = list(request.get("args", ())), request.get("kwargs", {})

    def handle(instance: Contract, *_args: Any, **_kwargs: Any) -> Any:
        return handler(instance, name, args, kwargs)

    return handle

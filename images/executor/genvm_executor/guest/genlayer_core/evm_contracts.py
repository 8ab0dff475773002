"""Contracts of the EVM chain below (contract-sdk 11). What a line calls its requests is its own.

`emit(value=n)` sends the value and views work: upstream's v0.2 line drops the one and fails at the other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from . import requests, wasi
from .annotations import FunctionScope, resolve
from .deferred import LazyCapable
from .evm import MethodEncoder
from .types import Address, Lazy


class EvmContract:
    """A contract of the EVM chain; the interface's declaration makes subclasses."""

    view_request: ClassVar[str]
    send_request: ClassVar[str]
    encoder: ClassVar[Callable[..., MethodEncoder]] = MethodEncoder
    _view: dict[str, MethodEncoder] = {}  # noqa: RUF012
    _write: dict[str, MethodEncoder] = {}  # noqa: RUF012

    def __init__(self, address: Address) -> None:
        self.address = address

    @property
    def balance(self) -> int:
        """Its balance."""
        return wasi.get_balance(self.address.as_bytes)

    def view(self) -> Any:
        """`.view().method(…)` calls it now."""
        return _Methods(self._view, self._call)

    def emit(self, *, value: int = 0) -> Any:
        """`.emit(value=…).method(…)` sends a message."""

        def send(encoder: MethodEncoder) -> Any:
            return lambda *args: self._send(encoder.encode_call(args), value)

        return _Methods(self._write, send)

    def _send(self, calldata: bytes, value: int) -> None:
        requests.call(self.send_request, {"address": self.address, "calldata": calldata, "value": value})

    def _call(self, encoder: MethodEncoder) -> LazyCapable[..., Any]:
        def call(*args: Any) -> Lazy[Any]:
            payload = {"address": self.address, "calldata": encoder.encode_call(args)}
            reply = requests.ask(self.view_request, payload)
            return Lazy(lambda: encoder.decode_ret(reply))

        return LazyCapable(call)


class _Methods:
    """Methods of one kind; AttributeError for what the interface does not declare."""

    def __init__(self, encoders: dict[str, MethodEncoder], make: Callable[[MethodEncoder], Any]) -> None:
        self._encoders = encoders
        self._make = make

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._encoders:
            raise AttributeError(f"the interface declares no method {name!r} here")
        return self._make(self._encoders[name])


def declare(declaration: type, base: type[EvmContract]) -> type[EvmContract]:
    """The proxy class for a declaration with `View` and `Write`.

    Every parameter must be positional-only, annotated and without default (AssertionError).
    """
    members = {
        "_view": _encoders(declaration, "View", base),
        "_write": _encoders(declaration, "Write", base),
        "__module__": declaration.__module__,
        "__qualname__": declaration.__qualname__,
        "__doc__": declaration.__doc__,
    }
    return type(declaration.__name__, (base,), members)


def signatures(declaration: type, kind: str) -> dict[str, tuple[tuple[Any, ...], Any]]:
    """Of the methods of one kind, by name, inherited ones as well: the types of the parameters, and of the
    result (null: it has none)."""
    cls = getattr(declaration, kind, object)
    members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
    return {name: _signature(fn, cls) for name, fn in sorted(members.items()) if _is_declared(name, fn)}


def _is_declared(name: str, member: Any) -> bool:
    return inspect.isfunction(member) and not (name.startswith("__") and name.endswith("__"))


def _encoders(declaration: type, kind: str, base: type[EvmContract]) -> dict[str, MethodEncoder]:
    methods = signatures(declaration, kind)
    return {name: base.encoder(name, types, result) for name, (types, result) in methods.items()}


def _signature(fn: Any, cls: type) -> tuple[tuple[Any, ...], Any]:
    signature, scope = inspect.signature(fn), FunctionScope(fn, cls)
    _, *parameters = signature.parameters.values()
    for parameter in parameters:
        where = f"{fn.__qualname__}: parameter {parameter.name!r}"
        assert parameter.kind is inspect.Parameter.POSITIONAL_ONLY, f"{where} must be positional-only (/)"
        assert parameter.annotation is not inspect.Parameter.empty, f"{where} needs an annotation"
        assert parameter.default is inspect.Parameter.empty, f"{where} must not have a default"
    result = signature.return_annotation
    types = tuple(resolve(parameter.annotation, scope) for parameter in parameters)
    return types, None if result is inspect.Signature.empty else resolve(result, scope)

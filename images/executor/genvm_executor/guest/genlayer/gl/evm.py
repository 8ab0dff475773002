"""Contracts of the EVM chain below (contract-sdk.md, 11).

`emit(value=n)` sends the value and views work: upstream's v0.2 line drops the one and fails at the other.
"""

from __future__ import annotations

import inspect
from typing import Any

from genlayer.inner import requests as _requests
from genlayer.inner.deferred import LazyCapable
from genlayer.py.evm import *  # noqa: F403
from genlayer.py.evm import MethodEncoder
from genlayer.py.evm import __all__ as _abi_names
from genlayer.py.storage.build import resolve
from genlayer.py.types import Address, Lazy

from . import wasi as _wasi


def _encoder(fn: Any) -> MethodEncoder:
    signature = inspect.signature(fn)
    _, *parameters = signature.parameters.values()
    for parameter in parameters:
        where = f"{fn.__qualname__}: parameter {parameter.name!r}"
        assert parameter.kind is inspect.Parameter.POSITIONAL_ONLY, f"{where} must be positional-only (/)"
        assert parameter.annotation is not inspect.Parameter.empty, f"{where} needs an annotation"
        assert parameter.default is inspect.Parameter.empty, f"{where} must not have a default"
    types = tuple(resolve(parameter.annotation, fn) for parameter in parameters)
    result = signature.return_annotation
    result = None if result is inspect.Signature.empty else resolve(result, fn)
    return MethodEncoder(fn.__name__, types, result)


def _encoders(declaration: type, kind: str) -> dict[str, MethodEncoder]:
    methods = vars(getattr(declaration, kind, object))
    return {name: _encoder(fn) for name, fn in methods.items() if inspect.isfunction(fn)}


def _view_method(address: Address, encoder: MethodEncoder) -> LazyCapable[..., Any]:
    def call(*args: Any) -> Lazy[Any]:
        reply = _requests.ask("EthCall", {"address": address, "calldata": encoder.encode_call(args)})
        return Lazy(lambda: encoder.decode_ret(reply))

    return LazyCapable(call)


class _Methods:
    """Methods of one kind; AttributeError for what the interface does not declare."""

    def __init__(self, address: Address, encoders: dict[str, MethodEncoder], value: int | None) -> None:
        self._address = address
        self._encoders = encoders
        self._value = value

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._encoders:
            raise AttributeError(f"the interface declares no method {name!r} here")
        encoder = self._encoders[name]
        if self._value is None:
            return _view_method(self._address, encoder)
        return lambda *args: _eth_send(self._address, encoder.encode_call(args), self._value or 0)


def _eth_send(address: Address, calldata: bytes, value: int) -> None:
    _requests.call("EthSend", {"address": address, "calldata": calldata, "value": value})


class EvmContract:
    """A contract of the EVM chain; the interface's declaration makes subclasses."""

    _view: dict[str, MethodEncoder] = {}  # noqa: RUF012
    _write: dict[str, MethodEncoder] = {}  # noqa: RUF012

    def __init__(self, address: Address) -> None:
        self.address = address

    @property
    def balance(self) -> int:
        """Its balance."""
        return _wasi.get_balance(self.address.as_bytes)

    def view(self) -> Any:
        """`.view().method(…)` calls it now."""
        return _Methods(self.address, self._view, None)

    def emit(self, *, value: int = 0) -> Any:
        """`.emit(value=…).method(…)` sends a message."""
        return _Methods(self.address, self._write, value)

    def emit_transfer(self, *, value: int) -> None:
        """Send value without calldata."""
        _eth_send(self.address, b"", value)


def contract_interface(declaration: type) -> type[EvmContract]:
    """The proxy class for a declaration with `View` and `Write`.

    Every parameter must be positional-only, annotated and without default (AssertionError).
    """
    members = {
        "_view": _encoders(declaration, "View"),
        "_write": _encoders(declaration, "Write"),
        "__module__": declaration.__module__,
        "__qualname__": declaration.__qualname__,
        "__doc__": declaration.__doc__,
    }
    return type(declaration.__name__, (EvmContract,), members)


__all__ = (*_abi_names, "contract_interface")  # noqa: PLE0604

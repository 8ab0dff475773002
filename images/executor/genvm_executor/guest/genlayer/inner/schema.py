"""What callers may send to a contract, as JSON text (contract-sdk.md, 13)."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genlayer.py.types import Address

from .contract import Contract

_UNLISTED = frozenset(("__on_errored_message__", "__receive__", "__handle_undefined_method__"))
_ABSENT = inspect.Parameter.empty
_PRIMITIVES: dict[Any, str] = {
    None: "null",
    type(None): "null",
    bool: "bool",
    int: "int",
    str: "string",
    bytes: "bytes",
    Address: "address",
    Any: "any",
    _ABSENT: "any",
}


class SchemaError(TypeError):
    """The contract has a signature that the schema cannot express."""


def contract_schema(cls: type[Contract]) -> str:
    """The schema's JSON text. Raises SchemaError, or NameError for an annotation that cannot be resolved."""
    if cls.__init__ is object.__init__:
        raise SchemaError(f"{cls.__qualname__} needs its own __init__")
    if getattr(cls.__init__, "__gl_public__", False):
        raise SchemaError("__init__ must not be public")
    methods = {
        name: _method(member)
        for name, member in sorted(inspect.getmembers(cls, inspect.isfunction))
        if getattr(member, "__gl_public__", False) and name not in _UNLISTED
    }
    schema = {"ctor": _parameters(cls.__init__), "methods": methods}
    return json.dumps(schema, separators=(",", ":"))


def _method(fn: Any) -> dict[str, Any]:
    built = _parameters(fn)
    if fn.__gl_min_gas_leader__:
        built["min_gas_leader"] = fn.__gl_min_gas_leader__
    if fn.__gl_min_gas_validator__:
        built["min_gas_validator"] = fn.__gl_min_gas_validator__
    built["readonly"] = fn.__gl_readonly__
    built["ret"] = _Types(fn).of(inspect.signature(fn).return_annotation)
    if not fn.__gl_readonly__:
        built["payable"] = fn.__gl_payable__
    return built


def _parameters(fn: Callable[..., Any]) -> dict[str, Any]:
    types_of = _Types(fn)
    positional: list[list[Any]] = []
    keywords: dict[str, Any] = {}
    self_name, *parameters = inspect.signature(fn).parameters.values() or (None,)
    if self_name is None or self_name.name != "self":
        raise SchemaError(f"the first parameter of {fn.__qualname__} must be called self")
    for parameter in parameters:
        name = parameter.name
        match parameter.kind:
            case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.VAR_KEYWORD:
                raise SchemaError(f"{fn.__qualname__}: *args and **kwargs are not allowed")
            case inspect.Parameter.KEYWORD_ONLY:
                key = "$" + name if name.startswith("$") else name
                keywords[key] = types_of.of(parameter.annotation)
            case _:
                positional.append([name, types_of.of(parameter.annotation)])
    return {"params": positional, "kwparams": keywords}


class _Types:
    """Translates the annotations of one function."""

    def __init__(self, fn: Any) -> None:
        self._names: dict[str, Any] = inspect.unwrap(fn).__globals__
        self._open: list[type] = []

    def of(self, annotation: Any) -> Any:
        """The JSON form of a type. Raises SchemaError."""
        if isinstance(annotation, str):
            annotation = eval(annotation, self._names)  # noqa: S307
        while isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        origin = typing.get_origin(annotation)
        if origin is None:
            return self._plain(annotation)
        if origin is typing.Union or origin is types.UnionType:
            return {"$or": [self.of(choice) for choice in typing.get_args(annotation)]}
        if origin is typing.Literal:
            return "any"
        return self._generic(annotation, origin, typing.get_args(annotation))

    def _plain(self, annotation: Any) -> Any:
        try:
            return _PRIMITIVES[annotation]
        except (KeyError, TypeError):
            pass
        if isinstance(annotation, type):
            if issubclass(annotation, Sequence):
                return "array"
            if issubclass(annotation, Mapping):
                return "dict"
            if dataclasses.is_dataclass(annotation):
                return self._dataclass(annotation)
        raise SchemaError(f"the schema has no form for {annotation!r}")

    def _dataclass(self, cls: type) -> dict[str, Any]:
        if cls in self._open:
            raise SchemaError(f"{cls.__qualname__} contains itself")
        outer_names, self._names = self._names, vars(sys.modules[cls.__module__])
        self._open.append(cls)
        try:
            return {field.name: self.of(field.type) for field in dataclasses.fields(cls)}
        finally:
            self._open.pop()
            self._names = outer_names

    def _generic(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        if origin is tuple:
            if len(args) == 2 and args[1] is ...:
                return [{"$rep": self.of(args[0])}]
            return [self.of(item) for item in args]
        if not isinstance(origin, type):
            raise SchemaError(f"the schema has no form for {annotation!r}")
        if issubclass(origin, Sequence) and len(args) == 1:
            return [{"$rep": self.of(args[0])}]
        if issubclass(origin, Mapping) and len(args) == 2:
            if args[0] is not str:
                raise SchemaError(f"{annotation!r}: keys must be str")
            return {"$dict": self.of(args[1])}
        raise SchemaError(f"the schema has no form for {annotation!r}")

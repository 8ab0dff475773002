"""What callers may send to a contract, as JSON text (contract-sdk 13)."""

from __future__ import annotations

import dataclasses
import inspect
import json
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .types import Address

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


@dataclasses.dataclass(frozen=True)
class SchemaRules:
    """What lines see differently."""

    literal: Callable[[tuple[Any, ...]], str] = lambda _values: "any"
    """the type of a Literal's values"""
    annotated: bool = False
    """`Annotated[T, …]` is T; else it is refused"""
    text_is_sequence: bool = True
    """a subclass of str or bytes is an array; else it is refused"""


class SchemaError(TypeError):
    """The contract has a signature that the schema cannot express."""


def contract_schema(cls: type[Any], rules: SchemaRules) -> str:
    """The schema's JSON text. Raises SchemaError, or NameError for an annotation that cannot be resolved."""
    if cls.__init__ is object.__init__:
        raise SchemaError(f"__init__ is absent: {cls.__qualname__} needs its own")
    if getattr(cls.__init__, "__gl_public__", False):
        raise SchemaError("__init__ must not be public")
    methods = {
        name: _named(_method, member, rules)
        for name, member in sorted(inspect.getmembers(cls, inspect.isfunction))
        if getattr(member, "__gl_public__", False) and name not in _UNLISTED
    }
    schema = {"ctor": _named(_parameters, cls.__init__, rules), "methods": methods}
    return json.dumps(schema, separators=(",", ":"))


def _named(describe: Callable[[Any, SchemaRules], Any], fn: Any, rules: SchemaRules) -> Any:
    """What `describe` makes of a function; whatever is wrong with it says which one it is."""
    try:
        return describe(fn, rules)
    except (SchemaError, NameError) as error:
        raise type(error)(f"{fn.__qualname__}: {error}") from error


def _method(fn: Any, rules: SchemaRules) -> dict[str, Any]:
    built = _parameters(fn, rules)
    if fn.__gl_min_gas_leader__:
        built["min_gas_leader"] = fn.__gl_min_gas_leader__
    if fn.__gl_min_gas_validator__:
        built["min_gas_validator"] = fn.__gl_min_gas_validator__
    built["readonly"] = fn.__gl_readonly__
    built["ret"] = _Types(fn, rules).of(inspect.signature(fn).return_annotation)
    if not fn.__gl_readonly__:
        built["payable"] = fn.__gl_payable__
    return built


def _parameters(fn: Callable[..., Any], rules: SchemaRules) -> dict[str, Any]:
    types_of = _Types(fn, rules)
    positional: list[list[Any]] = []
    keywords: dict[str, Any] = {}
    self_name, *parameters = inspect.signature(fn).parameters.values() or (None,)
    if self_name is None or self_name.name != "self":
        raise SchemaError("missing self: the first parameter must be called so")
    for parameter in parameters:
        name = parameter.name
        match parameter.kind:
            case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.VAR_KEYWORD:
                raise SchemaError("*args and **kwargs are not allowed")
            case inspect.Parameter.KEYWORD_ONLY:
                key = "$" + name if name.startswith("$") else name
                keywords[key] = types_of.of(parameter.annotation)
            case _:
                positional.append([name, types_of.of(parameter.annotation)])
    return {"params": positional, "kwparams": keywords}


class _Types:
    """Translates the annotations of one function."""

    def __init__(self, fn: Any, rules: SchemaRules) -> None:
        self._rules = rules
        self._names: dict[str, Any] = inspect.unwrap(fn).__globals__
        self._open: list[type] = []

    def of(self, annotation: Any) -> Any:
        """The JSON form of a type. Raises SchemaError."""
        if isinstance(annotation, str):
            annotation = eval(annotation, self._names)  # noqa: S307
        while isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated and self._rules.annotated:
            return self.of(annotation.__origin__)
        if origin is None:
            return self._plain(annotation)
        if origin is typing.Union or origin is types.UnionType:
            return {"$or": [self.of(choice) for choice in typing.get_args(annotation)]}
        if origin is typing.Literal:
            return self._rules.literal(typing.get_args(annotation))
        return self._generic(annotation, origin, typing.get_args(annotation))

    def _plain(self, annotation: Any) -> Any:
        try:
            return _PRIMITIVES[annotation]
        except (KeyError, TypeError):
            pass
        if isinstance(annotation, type):
            if issubclass(annotation, Sequence) and self._may_be_array(annotation):
                return "array"
            if issubclass(annotation, Mapping):
                return "dict"
            if dataclasses.is_dataclass(annotation):
                return self._dataclass(annotation)
        raise SchemaError(f"the schema has no form for {annotation!r}")

    def _may_be_array(self, annotation: type) -> bool:
        return self._rules.text_is_sequence or not issubclass(annotation, str | bytes)

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

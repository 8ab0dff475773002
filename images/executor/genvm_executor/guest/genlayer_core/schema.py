"""What callers may send to a contract, as JSON text (contract-sdk 13)."""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .annotations import ClassScope, FunctionScope, Scope, resolve
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
    if "__init__" not in vars(cls):
        raise SchemaError(f"__init__ is absent: {cls.__qualname__} needs its own")
    if getattr(cls.__init__, "__gl_public__", False):
        raise SchemaError("__init__ must not be public")
    types_of = _Types(cls, rules)
    methods = {
        name: _named(_method, member, types_of)
        for name, member in sorted(inspect.getmembers(cls, inspect.isfunction))
        if getattr(member, "__gl_public__", False) and name not in _UNLISTED
    }
    schema = {"ctor": _named(_parameters, cls.__init__, types_of), "methods": methods}
    return json.dumps(schema, separators=(",", ":"))


def _named(describe: Callable[[Any, _Types], Any], fn: Any, types_of: _Types) -> Any:
    """What `describe` makes of a function; whatever is wrong with it says which one it is."""
    try:
        return describe(fn, types_of)
    except (SchemaError, NameError, TypeError, SyntaxError) as error:
        raise type(error)(f"{fn.__qualname__}: {error}") from error


def _method(fn: Any, types_of: _Types) -> dict[str, Any]:
    built = _parameters(fn, types_of)
    if fn.__gl_min_gas_leader__:
        built["min_gas_leader"] = fn.__gl_min_gas_leader__
    if fn.__gl_min_gas_validator__:
        built["min_gas_validator"] = fn.__gl_min_gas_validator__
    built["readonly"] = fn.__gl_readonly__
    built["ret"] = types_of.of(inspect.signature(fn).return_annotation, types_of.scope(fn))
    if not fn.__gl_readonly__:
        built["payable"] = fn.__gl_payable__
    return built


def _parameters(fn: Callable[..., Any], types_of: _Types) -> dict[str, Any]:
    scope = types_of.scope(fn)
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
                keywords[key] = types_of.of(parameter.annotation, scope)
            case _:
                positional.append([name, types_of.of(parameter.annotation, scope)])
    return {"params": positional, "kwparams": keywords}


class _Types:
    """Translates the annotations of a contract's methods."""

    def __init__(self, cls: type, rules: SchemaRules) -> None:
        self._cls = cls
        self._rules = rules
        self._open: list[type] = []

    def scope(self, fn: Any) -> Scope:
        """Where the names in a method's annotations are looked up."""
        return FunctionScope(fn, self._cls)

    def of(self, annotation: Any, scope: Scope) -> Any:
        """The JSON form of an annotation. Raises SchemaError, and what `resolve` raises."""
        return self._form(resolve(annotation, scope))

    def _form(self, annotation: Any) -> Any:
        while isinstance(annotation, typing.NewType):
            annotation = resolve(annotation.__supertype__, ClassScope(annotation))
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated and self._rules.annotated:
            return self._form(annotation.__origin__)
        if origin is None:
            return self._plain(annotation)
        if origin is typing.Union or origin is types.UnionType:
            return {"$or": [self._form(choice) for choice in typing.get_args(annotation)]}
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
        self._open.append(cls)
        try:
            return {
                field.name: self.of(field.type, _field_scope(cls, field)) for field in dataclasses.fields(cls)
            }
        finally:
            self._open.pop()

    def _generic(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        if origin is tuple:
            if len(args) == 2 and args[1] is ...:
                return [{"$rep": self._form(args[0])}]
            return [self._form(item) for item in args]
        if not isinstance(origin, type):
            raise SchemaError(f"the schema has no form for {annotation!r}")
        if issubclass(origin, Sequence) and len(args) == 1:
            return [{"$rep": self._form(args[0])}]
        if issubclass(origin, Mapping) and len(args) == 2:
            if args[0] is not str:
                raise SchemaError(f"{annotation!r}: keys must be str")
            return {"$dict": self._form(args[1])}
        raise SchemaError(f"the schema has no form for {annotation!r}")


def _field_scope(cls: type, field: dataclasses.Field[Any]) -> Scope:
    """That of the class which declares the field: `cls` or one of its bases, maybe of another module."""
    owners = (base for base in cls.__mro__ if field.name in inspect.get_annotations(base))
    return ClassScope(next(owners, cls))

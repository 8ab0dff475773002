"""Annotations as the types that they name (contract-sdk 12.2 and 13).

A name may stand as text: as the whole annotation (`"P"`, or every one under `from __future__ import
annotations`), or within it (`DynArray["P"]`, `Optional["P"]`).
"""

from __future__ import annotations

import abc
import builtins
import inspect
import sys
import typing
from collections.abc import Mapping
from typing import Any

Names = tuple[dict[str, Any], Mapping[str, Any]]
"""Globals and locals for `eval`, which asks the locals first."""
_TEXT = (str, typing.ForwardRef)
_PLAIN = frozenset((type, typing.NewType))
"""what nearly all annotations are and consist of: each run of a contract looks at them all"""
_NAMED = (type, typing.NewType, typing.TypeVar)


class Scope(abc.ABC):
    """Where the names in text are looked up, as `typing.get_type_hints` does it for a class: among its type
    parameters, in its module, and then among its own names."""

    _names: Names | None = None

    def names(self) -> Names:
        """Gathered when the first text is met: most annotations have none."""
        if self._names is None:
            self._names = self._gather()
        return self._names

    @abc.abstractmethod
    def _gather(self) -> Names: ...


class ClassScope(Scope):
    """That of the annotations in a class body, and of a `NewType`'s supertype."""

    def __init__(self, cls: Any) -> None:
        self._cls = cls

    def _gather(self) -> Names:
        cls = self._cls
        module = sys.modules.get(cls.__module__)
        variables = _by_name(getattr(cls, "__parameters__", ()))
        return {**variables, **_without_hiders(vars(cls))}, _below(cls, vars(module) if module else {})


class FunctionScope(Scope):
    """That of a method's annotations. `cls` has the method, of its own or from a base."""

    def __init__(self, fn: Any, cls: type) -> None:
        self._fn = fn
        self._cls = cls

    def _gather(self) -> Names:
        fn = inspect.unwrap(self._fn)
        own: dict[str, Any] = {}
        for base in reversed(self._cls.__mro__[:-1]):
            own |= vars(base)
        return _without_hiders(own), _below(fn, fn.__globals__)


def _without_hiders(own: Mapping[str, Any]) -> dict[str, Any]:
    """A class's names without those that would hide a builtin and name no type: a method `list`, a field
    `bytes`, a constant `int`."""
    shown = vars(builtins)
    return {name: value for name, value in own.items() if name not in shown or _is_type(value)}


def _is_type(value: Any) -> bool:
    return isinstance(value, _NAMED) or typing.get_origin(value) is not None


def _below(owner: Any, module: dict[str, Any]) -> dict[str, Any]:
    """The module's names below the type parameters that hide them."""
    parameters = getattr(owner, "__type_params__", ())
    return {**module, **_by_name(parameters)} if parameters else module


def _by_name(parameters: tuple[Any, ...]) -> dict[str, Any]:
    return {parameter.__name__: parameter for parameter in parameters}


def resolve(annotation: Any, scope: Scope) -> Any:
    """The type, nothing in it being text any more; an annotation without text is given back as it is.

    Raises NameError for a name that is nowhere, SyntaxError and TypeError for text that names no type.
    """
    if type(annotation) in _PLAIN:
        return annotation
    if isinstance(annotation, str):
        annotation = eval(annotation, *scope.names())  # noqa: S307
    if not _has_text(annotation):
        return annotation
    holder = type("", (), {"__annotations__": {"it": annotation}})
    return typing.get_type_hints(holder, *scope.names(), include_extras=True)["it"]


def _has_text(annotation: Any) -> bool:
    if isinstance(annotation, _TEXT):
        return True
    arguments = getattr(annotation, "__args__", None)
    # The texts of a Literal are values.
    if type(arguments) is not tuple or getattr(annotation, "__origin__", None) is typing.Literal:
        return False
    for argument in arguments:  # noqa: SIM110 - in half the time
        if type(argument) not in _PLAIN and _has_text(argument):
            return True
    return False

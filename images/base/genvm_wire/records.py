"""Records as `dataclasses` makes them, as far as the executor needs it, for next to nothing.

It makes fifty classes at its start, which a run may wait for. A dataclass is compiled from a text of its own
for each of its methods, and `dataclasses` itself brings along what reads signatures and takes code apart: a
third of the processor time of the start. Here all classes share their methods. Type checkers take them for
dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
Class = TypeVar("Class", bound=type)


class Later:
    """A field whose value is made with its record; `make` null: what comes after the making sets it."""

    def __init__(self, make: Callable[[], Any] | None, *, shown: bool) -> None:
        self.make = make
        self.shown = shown


def field(*, default_factory: Callable[[], Any] | None = None, init: bool = True, repr: bool = True) -> Any:
    """As `dataclasses.field`: with a factory, or with `init=False` for what `__post_init__` sets."""
    if (default_factory is None) is init:
        raise TypeError("a field has a factory or is set after the making")
    return Later(default_factory, shown=repr)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Class) -> Class:
    """A frozen record: equal to another of its class with equal fields, and hashable where they are."""
    _prepare(cls, {"__hash__": _hash, "__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete})
    return cls


@dataclass_transform(field_specifiers=(field,))
def mutable(cls: Class) -> Class:
    """A record whose fields may be set."""
    _prepare(cls, {"__hash__": None})
    return cls


def replace(of: T, **changes: Any) -> T:
    """The same record with other values. Raises TypeError for fields that it does not have."""
    names = type(of).__match_args__  # type: ignore[attr-defined]
    return type(of)(**{name: getattr(of, name) for name in names} | changes)


def _prepare(cls: Any, methods: Mapping[str, object]) -> None:
    declared = [name for name, kind in cls.__annotations__.items() if not kind.startswith("ClassVar")]
    later = {name: cls.__dict__[name] for name in declared if isinstance(cls.__dict__.get(name), Later)}
    names = tuple(name for name in declared if name not in later or later[name].make is not None)
    makers = {name: one.make for name, one in later.items() if one.make is not None}
    for name in later:
        delattr(cls, name)
    shown = tuple(name for name in declared if name not in later or later[name].shown)
    own = {"__match_args__": names, "__record__": (shown, makers)}
    for name, given in {**own, "__init__": _init, "__eq__": _equal, "__repr__": _shown, **methods}.items():
        setattr(cls, name, given)


# The methods that all records share. `self` is any of them.


def _init(self: Any, *values: Any, **named: Any) -> None:
    names = self.__match_args__
    if len(values) == len(names) and not named:
        self.__dict__.update(zip(names, values, strict=True))
    else:
        self.__dict__.update(_completed(type(self), names, values, named))
    if hasattr(self, "__post_init__"):
        self.__post_init__()


def _completed(
    cls: Any, names: tuple[str, ...], values: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any]:
    """All fields, with what they are where nothing is given."""
    given = dict(zip(names, values, strict=False))
    twice = given.keys() & named.keys()
    given.update(named)
    for name in names:
        if name in given:
            continue
        if (make := cls.__record__[1].get(name)) is not None:
            given[name] = make()
        elif hasattr(cls, name):
            given[name] = getattr(cls, name)
    if len(values) > len(names) or twice or len(given) != len(names) or given.keys() - set(names):
        raise TypeError(f"{cls.__name__} takes {', '.join(names)}")
    return given


def _equal(self: Any, other: object) -> Any:
    return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(tuple([self.__dict__[name] for name in self.__match_args__]))


def _shown(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__record__[0])
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, _: object) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be deleted")

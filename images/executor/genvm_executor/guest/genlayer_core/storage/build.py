"""From annotations to layouts: the only place that knows every storage type (contract-sdk 12.2)."""

from __future__ import annotations

import datetime
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from genlayer_core.annotations import ClassScope, resolve
from genlayer_core.types import Address, Integers

from .arrays import Array, ArrayLayout, DynArray, DynArrayLayout
from .inline import VLA, Indirection, IndirectionLayout, VLALayout
from .layout import (
    U8,
    U32,
    AddressLayout,
    BigintLayout,
    BoolLayout,
    BytesLayout,
    DatetimeLayout,
    FloatLayout,
    IntLayout,
    Layout,
    NoneLayout,
    StrLayout,
)
from .records import RecordLayout, allocate, check_layout_possible, install_constructor, install_fields
from .rules import GenerationError, check_size
from .slots import ROOT_SLOT_ID, MemoryManager
from .treemap import TreeMap, TreeMapLayout

C = TypeVar("C", bound=type)

_MARK = "__gl_allow_storage__"
_BUILT = "__gl_record_layout__"


def _simple_layouts() -> dict[Any, Layout]:
    layouts: dict[Any, Layout] = {
        bool: BoolLayout(),
        str: StrLayout(),
        bytes: BytesLayout(),
        float: FloatLayout(),
        None: NoneLayout(),
        Address: AddressLayout(),
        datetime.datetime: DatetimeLayout(),
    }
    layouts[type(None)] = layouts[None]
    return layouts


_layouts: dict[Any, Layout] = _simple_layouts()
_in_progress: set[Any] = set()


def know_integers(integers: Integers) -> None:
    """Take a line's integer types."""
    # One object per type: item types of collections are compared by identity.
    own = {(U8.size, False): U8, (U32.size, False): U32}
    for annotation, size, signed in integers.sized():
        _layouts[annotation] = own.get((size, signed)) or IntLayout(size, signed)
    _layouts[integers.unbounded] = BigintLayout()


def allow_storage(cls: C) -> C:
    """Mark a class as a record that storage fields may have."""
    setattr(cls, _MARK, True)
    return cls


def layout_of(annotation: Any) -> Layout:
    """The layout of a type. Raises TypeError when it cannot be stored."""
    try:
        known = _layouts.get(annotation)
    except TypeError:
        raise TypeError(f"{annotation!r} cannot be a storage type") from None
    if known is not None:
        return known
    if annotation in _in_progress:
        raise GenerationError(f"Recursive storage type {annotation!r}: it contains itself")
    _in_progress.add(annotation)
    try:
        layout = _build(annotation)
    finally:
        _in_progress.discard(annotation)
    _layouts[annotation] = layout
    return layout


def _build(annotation: Any) -> Layout:
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is None:
        if isinstance(annotation, type) and annotation.__dict__.get(_MARK):
            if uses_parameters(annotation):
                raise GenerationError(f"{annotation.__qualname__} is generic: say what it holds in brackets")
            return _record(annotation, annotation, {})
    elif origin is typing.Annotated:
        return layout_of(_without_last_note(annotation))
    elif (build := _collection(origin)) is not None:
        return build(annotation, *args)
    elif isinstance(origin, type) and origin.__dict__.get(_MARK):
        if not uses_parameters(origin):
            return layout_of(origin)
        parameters: tuple[Any, ...] = origin.__parameters__  # type: ignore[attr-defined]
        return _record(origin, annotation, dict(zip(parameters, args, strict=True)))
    raise GenerationError(f"{_advice(annotation, origin)}{annotation!r} cannot be a storage type")


def _collection(origin: Any) -> Callable[..., Layout] | None:
    bases = getattr(origin, "__mro__", ())
    return next((_COLLECTIONS[base] for base in bases if base in _COLLECTIONS), None)


def _without_last_note(annotation: Any) -> Any:
    """`Annotated[T, a, b]` is laid out as `Annotated[T, a]`, and that as T, where no line knows the notes."""
    *known, _ = annotation.__metadata__
    return typing.Annotated[annotation.__origin__, *known] if known else annotation.__origin__


def uses_parameters(cls: Any) -> bool:
    """Whether how a generic class is laid out depends on what its type parameters stand for."""
    if not getattr(cls, "__parameters__", ()):
        return False
    try:
        field_annotations(cls, {})
    except UnboundVariable:
        return True
    return False


def _advice(annotation: Any, origin: Any) -> str:
    base = origin or annotation
    if base in _ADVICE:
        return f"{_ADVICE[base]}: "
    if getattr(base, "__module__", "").split(".")[0] == "numpy":
        return "this image has no numpy: "
    if _collection(base) is not None:
        return "say what it holds in brackets: "
    if isinstance(base, type) and base.__module__ != "builtins":
        return f"{_UNMARKED}: "
    return ""


_ADVICE = {
    int: "use `bigint` or one of sized integers",
    dict: "use `TreeMap` instead of a dict",
    list: "use `DynArray` instead of a list",
    tuple: "Tuple types are not supported in storage, use a custom class instead",
    typing.Literal: "Literal types are not supported in storage",
}
_UNMARKED = "class is not marked for usage within storage, please, annotate it with @allow_storage"


def _array(annotation: Any, item: Any, length: Any) -> Layout:
    literal = typing.get_args(length)
    if (
        typing.get_origin(length) is not typing.Literal
        or len(literal) != 1
        or not isinstance(literal[0], int)
    ):
        raise TypeError(f"Array takes its length as typing.Literal[n], not {length!r}")
    if literal[0] <= 0:
        raise GenerationError(f"Array size must be strictly positive, got {literal[0]}")
    layout = ArrayLayout(typing.get_origin(annotation), item, layout_of(item), literal[0])
    check_size(str(annotation), layout.size)
    return layout


_COLLECTIONS: dict[Any, Callable[..., Layout]] = {
    DynArray: lambda annotation, item: DynArrayLayout(annotation, layout_of(item)),
    TreeMap: lambda annotation, key, value: TreeMapLayout(annotation, layout_of(key), layout_of(value)),
    Array: _array,
    Indirection: lambda annotation, item: IndirectionLayout(annotation, layout_of(item)),
    VLA: lambda annotation, item: VLALayout(annotation, layout_of(item)),
}


def _record(cls: Any, annotation: Any, variables: dict[Any, Any]) -> RecordLayout:
    check_layout_possible(cls)
    layout = RecordLayout(cls, annotation)
    for name, field in field_annotations(cls, variables).items():
        try:
            layout.add(name, layout_of(field))
        except TypeError as error:
            raise GenerationError(f"{error} (field {name!r} of {cls.__qualname__})") from error
    if not cls.__dict__.get(_BUILT):
        install_fields(cls, layout)
        if annotation is not cls:
            install_constructor(cls, None)
        elif not getattr(cls, "__gl_contract__", False):
            install_constructor(cls, layout)
        setattr(cls, _BUILT, True)
    return layout


def contract_layout(cls: type) -> RecordLayout:
    """Lay out a contract class."""
    allow_storage(cls)
    layout = layout_of(cls)
    assert isinstance(layout, RecordLayout)
    return layout


def field_annotations(cls: Any, variables: dict[Any, Any]) -> dict[str, Any]:
    """Field name → type, base classes first, type variables replaced."""
    bound = {cls: variables}
    _bind_bases(cls, variables, bound)
    fields: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if "__annotations__" not in base.__dict__:
            continue
        scope = ClassScope(base)
        for name, annotation in inspect.get_annotations(base).items():
            resolved = resolve(annotation, scope)
            if resolved is typing.ClassVar or typing.get_origin(resolved) is typing.ClassVar:
                continue
            fields[name] = substitute(resolved, bound.get(base, {}))
    return fields


def _bind_bases(cls: Any, variables: dict[Any, Any], bound: dict[Any, dict[Any, Any]]) -> None:
    scope = ClassScope(cls)
    for alias in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(alias)
        if origin in (None, typing.Generic, typing.Protocol):
            continue
        arguments = (substitute(argument, variables) for argument in typing.get_args(resolve(alias, scope)))
        bound[origin] = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
        _bind_bases(origin, bound[origin], bound)


class UnboundVariable(GenerationError):
    """A type variable without a type."""


def substitute(annotation: Any, variables: dict[Any, Any]) -> Any:
    """Replace type variables, also inside of generic types."""
    if isinstance(annotation, TypeVar):
        if annotation not in variables:
            raise UnboundVariable(f"type variable {annotation} is not bound to a type")
        return variables[annotation]
    if isinstance(annotation, types.GenericAlias) or hasattr(annotation, "__parameters__"):
        parameters = getattr(annotation, "__parameters__", ())
        if parameters and typing.get_origin(annotation) is not None:
            return annotation[tuple(substitute(parameter, variables) for parameter in parameters)]
    return annotation


def inmem_allocate(annotation: Any, *args: Any, **kwargs: Any) -> Any:
    """A value of a storage type in a private store: a record gets its `__init__` called with the arguments,
    a collection may get one argument, its content."""
    layout = layout_of(annotation)
    if isinstance(layout, RecordLayout):
        return allocate(layout, args, kwargs)
    slot = MemoryManager().slot(ROOT_SLOT_ID)
    if kwargs or len(args) > 1:
        raise TypeError(f"inmem_allocate({annotation!r}) takes at most one value")
    for value in args:
        layout.set(slot, 0, value)
    return layout.get(slot, 0)


def copy_to_memory(view: Any) -> Any:
    """A deep copy in memory of a record or a `TreeMap`. AssertionError for anything else."""
    if isinstance(view, TreeMap) and view._layout is not None:
        layout, slot, off = view._layout, view._slot, view._off
    else:
        place = getattr(view, "__dict__", {})
        assert "__gl_layout__" in place, (
            f"copy_to_memory takes a storage record or a TreeMap, not {type(view).__name__}"
        )
        layout, slot, off = place["__gl_layout__"], place["__gl_slot__"], place["__gl_offset__"]
    target = MemoryManager().slot(ROOT_SLOT_ID)
    layout.copy(slot, off, target, 0)
    return layout.get(target, 0)

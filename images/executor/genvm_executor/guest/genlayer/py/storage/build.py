"""From annotations to layouts: the only place that knows every storage type (contract-sdk.md, 12.2)."""

from __future__ import annotations

import datetime
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from genlayer.py import types as basic

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
        basic.Address: AddressLayout(),
        basic.bigint: BigintLayout(),
        datetime.datetime: DatetimeLayout(),
    }
    layouts[type(None)] = layouts[None]
    for signed, names in ((False, basic.UNSIGNED), (True, basic.SIGNED)):
        for name, new_type in names.items():
            layouts[new_type] = IntLayout(int(name[1:]) // 8, signed)
    # One object per type: item types of collections are compared by identity.
    layouts[basic.UNSIGNED["u8"]] = U8
    layouts[basic.UNSIGNED["u32"]] = U32
    return layouts


_layouts: dict[Any, Layout] = _simple_layouts()
_in_progress: set[Any] = set()


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
        raise TypeError(f"{annotation!r} contains itself; a storage type cannot be recursive")
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
            if getattr(annotation, "__parameters__", ()):
                raise TypeError(f"{annotation.__qualname__} is generic: say what it holds in brackets")
            return _record(annotation, annotation, {})
    elif origin in _COLLECTIONS:
        return _COLLECTIONS[origin](annotation, *args)
    elif isinstance(origin, type) and origin.__dict__.get(_MARK):
        parameters: tuple[Any, ...] = origin.__parameters__  # type: ignore[attr-defined]
        return _record(origin, annotation, dict(zip(parameters, args, strict=True)))
    raise TypeError(f"{annotation!r} cannot be a storage type{_advice(annotation, origin)}")


def _advice(annotation: Any, origin: Any) -> str:
    base = origin or annotation
    if base is int:
        return ": use a sized integer such as u256, or bigint"
    if base is list:
        return ": use DynArray[T]"
    if base is dict:
        return ": use TreeMap[K, V]"
    if getattr(base, "__module__", "").split(".")[0] == "numpy":
        return ": this image has no numpy"
    if base in _COLLECTIONS:
        return ": say what it holds in brackets"
    if isinstance(base, type) and base.__module__ != "builtins":
        return ": mark the class with @allow_storage"
    return ""


def _array(_: Any, item: Any, length: Any) -> Layout:
    literal = typing.get_args(length)
    if (
        typing.get_origin(length) is not typing.Literal
        or len(literal) != 1
        or not isinstance(literal[0], int)
    ):
        raise TypeError(f"Array takes its length as typing.Literal[n], not {length!r}")
    if literal[0] <= 0:
        raise TypeError(f"the length of an Array must be above 0, not {literal[0]}")
    return ArrayLayout(item, layout_of(item), literal[0])


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
            raise TypeError(f"field {name!r} of {cls.__qualname__}: {error}") from error
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
        for name, annotation in inspect.get_annotations(base).items():
            resolved = resolve(annotation, base)
            if resolved is typing.ClassVar or typing.get_origin(resolved) is typing.ClassVar:
                continue
            fields[name] = substitute(resolved, bound.get(base, {}))
    return fields


def _bind_bases(cls: Any, variables: dict[Any, Any], bound: dict[Any, dict[Any, Any]]) -> None:
    for alias in getattr(cls, "__orig_bases__", ()):
        origin = typing.get_origin(alias)
        if origin in (None, typing.Generic, typing.Protocol):
            continue
        arguments = (substitute(argument, variables) for argument in typing.get_args(alias))
        bound[origin] = dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False))
        _bind_bases(origin, bound[origin], bound)


def resolve(annotation: Any, owner: Any) -> Any:
    """A string annotation of a class, evaluated in its module; anything else as it is."""
    if not isinstance(annotation, str):
        return annotation
    module = sys.modules.get(owner.__module__)
    parameters = (*getattr(owner, "__parameters__", ()), *getattr(owner, "__type_params__", ()))
    names = {parameter.__name__: parameter for parameter in parameters}
    return eval(annotation, dict(vars(module)) if module else {}, {**vars(owner), **names})  # noqa: S307


def substitute(annotation: Any, variables: dict[Any, Any]) -> Any:
    """Replace type variables, also inside of generic types."""
    if isinstance(annotation, TypeVar):
        if annotation not in variables:
            raise TypeError(f"type variable {annotation} is not bound to a type")
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

"""From Python annotations to ABI types, their names and selectors."""

from __future__ import annotations

import collections.abc
import typing
from dataclasses import dataclass
from typing import Any, NewType

from genlayer_core.keccak import Keccak256
from genlayer_core.types import Address, Integers, SizedArray


class InplaceTuple:
    """First member of a `tuple[InplaceTuple, …]` that is encoded without an outer offset."""


BYTES_TYPES = {f"bytes{size}": NewType(f"bytes{size}", bytes) for size in range(1, 33)}


@dataclass(frozen=True)
class AbiType:
    """One ABI type. `kind`: uint, int, bool, address, string, bytes, fixed_bytes, list, array, tuple.

    `size` is bytes of a number or of fixed bytes, items of an array.
    `inplace`: a tuple whose members lie where it stands, even when it is dynamic.
    """

    kind: str
    name: str
    size: int = 0
    items: tuple[AbiType, ...] = ()
    inplace: bool = False

    @property
    def dynamic(self) -> bool:
        """Whether it is encoded behind an offset."""
        if self.kind in ("string", "bytes", "list"):
            return True
        return any(item.dynamic for item in self.items)

    @property
    def head_size(self) -> int:
        """Bytes in place when it is not dynamic."""
        if self.kind == "tuple":
            return sum(item.head_size if not item.dynamic else 32 for item in self.items)
        if self.kind == "array":
            return self.size * (self.items[0].head_size if not self.items[0].dynamic else 32)
        return 32


def _plain_types() -> dict[Any, AbiType]:
    plain: dict[Any, AbiType] = {
        bool: AbiType("bool", "bool"),
        Address: AbiType("address", "address"),
        str: AbiType("string", "string"),
        bytes: AbiType("bytes", "bytes"),
        None: AbiType("tuple", "()", inplace=True),
        type(None): AbiType("tuple", "()", inplace=True),
    }
    for name, new_type in BYTES_TYPES.items():
        plain[new_type] = AbiType("fixed_bytes", name, int(name[5:]))
    return plain


_PLAIN = _plain_types()


def know_integers(integers: Integers) -> None:
    """Take a line's integer types."""
    for annotation, size, signed in integers.sized():
        kind = "int" if signed else "uint"
        _PLAIN[annotation] = AbiType(kind, f"{kind}{size * 8}", size)


def abi_type(annotation: Any) -> AbiType:
    """The ABI type of an annotation. Raises TypeError when it has none."""
    try:
        if (plain := _PLAIN.get(annotation)) is not None:
            return plain
    except TypeError:
        pass
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple:
        inplace = bool(args) and args[0] is InplaceTuple
        members = tuple(abi_type(member) for member in (args[1:] if inplace else args))
        return AbiType("tuple", f"({','.join(m.name for m in members)})", items=members, inplace=inplace)
    if origin in (list, collections.abc.Sequence):
        item = abi_type(args[0])
        return AbiType("list", item.name + "[]", items=(item,))
    if isinstance(origin, type) and issubclass(origin, SizedArray):
        (count,) = typing.get_args(args[1])
        item = abi_type(args[0])
        return AbiType("array", f"{item.name}[{count}]", size=count, items=(item,))
    raise TypeError(f"{annotation!r} has no ABI type")


def type_name_of(annotation: Any) -> str:
    """The type's name in signatures, such as `address[]`."""
    return abi_type(annotation).name


def signature_of(name: str, params: Any) -> str:
    """`transfer(address,uint256)` for a name and a tuple type."""
    return name + type_name_of(params)


def selector_of(name: str, params: Any) -> bytes:
    """First four bytes of the signature's Keccak-256."""
    return Keccak256(signature_of(name, params).encode("utf-8")).digest()[:4]

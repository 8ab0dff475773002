"""Cheap records against what `dataclasses` makes of the same text."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from genvm_wire.address import Address
from genvm_wire.records import field, mutable, record, replace

MADE: list[list[int]] = []


def made() -> list[int]:
    MADE.append([])
    return MADE[-1]


@record
class Cheap:
    KIND: ClassVar[str] = "kind"
    first: int
    second: str = "two"
    third: tuple[int, ...] = field(default_factory=tuple)
    total: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.first + len(self.third))

    @property
    def text(self) -> str:
        return f"{self.first} {self.second}"


@dataclasses.dataclass(frozen=True, slots=True)
class Dear:
    KIND: ClassVar[str] = "kind"
    first: int
    second: str = "two"
    third: tuple[int, ...] = dataclasses.field(default_factory=tuple)
    total: int = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "total", self.first + len(self.third))


@mutable
class Counters:
    seen: list[int] = field(default_factory=made)
    count: int = 0


MAKINGS: list[Callable[[Any], Any]] = [
    lambda kind: kind(1),
    lambda kind: kind(1, "b"),
    lambda kind: kind(1, "b", (1, 2)),
    lambda kind: kind(1, third=(1,)),
    lambda kind: kind(third=(4,), first=2),
]
REFUSED: list[Callable[[Any], Any]] = [
    lambda kind: kind(),
    lambda kind: kind(1, "b", (), 4),
    lambda kind: kind(1, first=1),
    lambda kind: kind(1, fourth=1),
    lambda kind: kind(1, "b", total=1),
    lambda kind: kind(second="b"),
]


@pytest.mark.parametrize("making", MAKINGS)
def test_a_record_is_as_a_dataclass(making: Callable[[Any], Any]) -> None:
    cheap, dear = making(Cheap), making(Dear)
    names = ("first", "second", "third", "total")
    assert [getattr(cheap, name) for name in names] == [getattr(dear, name) for name in names]
    assert repr(cheap) == repr(dear).replace("Dear", "Cheap")
    assert cheap == making(Cheap) and hash(cheap) == hash(making(Cheap)) and cheap != dear
    assert Cheap.__match_args__ == Dear.__match_args__
    assert copy.deepcopy(cheap) == copy.copy(cheap) == cheap


@pytest.mark.parametrize("making", REFUSED)
def test_what_no_dataclass_takes_no_record_takes(making: Callable[[Any], Any]) -> None:
    for kind in (Cheap, Dear):
        with pytest.raises(TypeError):
            making(kind)


def test_a_record_is_frozen_and_compared_by_all_of_it() -> None:
    one = Cheap(1, "b", (3,))
    for name in ("first", "total", "other"):
        with pytest.raises(AttributeError):
            setattr(one, name, 2)
    with pytest.raises(AttributeError):
        del one.first
    assert len({one, Cheap(1, "b", (3,)), Cheap(2, "b", (3,)), Cheap(1, "c", (3,)), Cheap(1, "b")}) == 4
    assert replace(one, second="c") == Cheap(1, "c", (3,))
    with pytest.raises(TypeError):
        replace(one, fourth=1)
    match one:
        case Cheap(first, second):
            assert (first, second) == (1, "b")
    assert (one.text, Cheap.KIND) == ("1 b", "kind")


def test_a_mutable_record_has_what_is_made_for_it_alone() -> None:
    one, other = Counters(), Counters()
    one.seen.append(1)
    one.count += 1
    assert (one.seen, one.count, other.seen, other.count) == ([1], 1, [], 0)
    assert one != other and Counters() == other
    given, before = Counters([7]), len(MADE)
    assert given.seen == [7] and len(MADE) == before
    with pytest.raises(TypeError):
        hash(one)


def test_a_field_needs_a_factory_or_none() -> None:
    with pytest.raises(TypeError):
        field()
    with pytest.raises(TypeError):
        field(default_factory=list, init=False)


def test_addresses_have_an_order() -> None:
    low, high = Address(bytes(20)), Address(b"\1" * 20)
    assert sorted([high, low]) == [low, high]
    assert low < high and high > low and low <= high and high >= low and not low > high

"""One metric: what it is called, what it counts, by what it is told apart. Free of any client library.

Names have base units (seconds, bytes) and `_total` where they only grow. No label has an id, a host or an
address: each has values of a closed set, or names that an operator wrote into a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestrator.distribution import Distribution
from orchestrator.metrics.sources import Sources


class Kind(StrEnum):
    COUNTER = "counter"
    """Grows, and begins at 0 with the manager."""
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """`labels`: each with what its values are."""

    name: str
    kind: Kind
    about: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a family; `labels` in the family's order."""

    family: str
    value: float | Distribution
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """The metrics of one part of the manager. `samples` reads them, waits for nothing and changes nothing."""

    title: str
    families: tuple[Family, ...]
    samples: Callable[[Sources], Iterable[Sample]]


def each(family: str, values: Mapping[Any, float]) -> Iterator[Sample]:
    """A sample for each entry, whose key is the label, or the labels."""
    for key, value in values.items():
        yield Sample(family, value, (str(key),) if isinstance(key, str) else tuple(map(str, key)))


def words(values: Iterable[str]) -> str:
    """A closed set, for people."""
    return ", ".join(f"`{value}`" for value in values)

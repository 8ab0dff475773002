"""A body of many wrong entries costs no more than one of a single wrong entry: each list stops at its first,
because failures are made with the loop's time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import orchestrator.api.app  # noqa: F401  (all routes are described then)
from orchestrator.api.description import _SAID

ENTRIES = 20_000
FEW = 4
"""A union says one for each of its arms."""


def bodies() -> Iterator[type[BaseModel]]:
    for handler, said in _SAID.items():
        if handler.__module__.startswith("orchestrator."):
            yield from (model for model in (said.body, *said.calldata) if model is not None)


def inside(annotation: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from inside(part)


def lists_of(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """Every field that is a list of something, in this model and in those below it, as it is validated."""
    for name, field in model.model_fields.items():
        whole: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
        kinds = list(inside(whole))
        if any(get_origin(kind) in (list, tuple, set, frozenset) for kind in kinds):
            yield f"{model.__name__}.{name}", whole
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from lists_of(kind)


LISTS = dict(sorted(one for model in set(bodies()) for one in lists_of(model)))


def test_the_lists_of_bodies_are_known() -> None:
    for name in (
        "RunBodyA.extra_args",
        "RunBodyC.host_hello_data",
        "CheckBody.configs",
        "CheckPrompt.images",
    ):
        assert name in LISTS


@pytest.mark.parametrize("name", LISTS)
def test_a_list_stops_at_its_first_wrong_entry(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(LISTS[name]).validate_python([object()] * ENTRIES)
    assert caught.value.error_count() <= FEW

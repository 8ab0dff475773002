"""Which images are built when some are named."""

from __future__ import annotations

import pytest

from orchestrator.imaging.recipes import RECIPES, chosen, official_release


def test_no_name_means_all_of_them() -> None:
    assert chosen([]) == RECIPES


@pytest.mark.parametrize("name", ["executor", "genvm-executor"])
def test_a_name_brings_its_parents_first(name: str) -> None:
    assert [recipe.name for recipe in chosen([name])] == ["base", "executor"]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="nothing"):
        chosen(["nothing"])


def test_parents_come_before_their_children() -> None:
    seen: set[str | None] = {None}
    for recipe in RECIPES:
        assert recipe.parent in seen
        seen.add(recipe.name)


def test_tags_are_the_latest_and_the_projects_version() -> None:
    executor = next(recipe for recipe in RECIPES if recipe.name == "executor")
    assert executor.tags("1.2.3") == ("genvm-executor:latest", "genvm-executor:1.2.3")


def test_a_wrapped_release_has_its_own_version_as_its_only_tag() -> None:
    assert official_release("v0.2.16").tags("1.2.3") == ("genvm-release:v0.2.16",)

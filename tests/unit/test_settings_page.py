"""Every setting says what it is, why its default is what it is, and its unit; the page says it after them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from orchestrator.settings import Settings
from orchestrator.settings.about import Unit, about_of
from orchestrator.settings.effective import PREFIX, groups
from orchestrator.settings.page import PAGE, page

REPOSITORY = Path(__file__).parents[2]
VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]*[A-Z]\b")
WRITTEN_WITH_SEPARATORS = {Unit.NAMES, Unit.NETWORKS, Unit.PATHS}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_says_what_why_and_unit(name: str) -> None:
    about = about_of(Settings.model_fields[name])
    assert len(about.what.split()) > 1
    assert len(about.why.split()) > 1
    assert about.what != about.why


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_s_unit_fits_its_type(name: str) -> None:
    field = Settings.model_fields[name]
    unit, kind = about_of(field).unit, str(field.annotation)
    assert (unit is Unit.SWITCH) == (field.annotation is bool)
    assert ("list[" in kind or "tuple[" in kind) == (unit in WRITTEN_WITH_SEPARATORS)
    assert name.endswith("_bytes") == (unit is Unit.BYTES)
    assert unit is not Unit.SECONDS or field.annotation in (float, int)


def test_a_field_that_says_nothing_of_itself_is_found() -> None:
    class Bare(BaseModel):
        port: int = 1

    with pytest.raises(ValueError, match="unit"):
        about_of(Bare.model_fields["port"])


def test_every_setting_is_in_one_group_and_all_are_on_the_page() -> None:
    names = [name for group in groups() for name in group.model_fields]
    assert names == list(Settings.model_fields)
    assert re.findall(rf"^\| `{PREFIX}(\w+)` ", page(), re.MULTILINE) == [name.upper() for name in names]


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: make settings-page"


def test_no_page_names_a_variable_that_there_is_not() -> None:
    """Commands, tests and instances have variables, too: they stand where they are read."""
    pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
    named = {name for one in pages for name in VARIABLE.findall(one.read_text())}
    unknown = named - {PREFIX + name.upper() for name in Settings.model_fields}
    code = [
        path
        for folder in ("orchestrator", "images", "tests", "bench")
        for kind in ("*.py", "*.sh", "Dockerfile")
        for path in (REPOSITORY / folder).rglob(kind)
    ]
    stacks = [REPOSITORY / "compose.yaml", *(REPOSITORY / "examples").rglob("*.yaml")]
    for path in (*code, *stacks, REPOSITORY / "Makefile"):
        unknown -= set(VARIABLE.findall(path.read_text("utf-8", "replace")))
    assert unknown == set()

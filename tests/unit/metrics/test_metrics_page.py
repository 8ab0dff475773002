"""Every metric says what it is, by the conventions, and the page says it after them."""

from __future__ import annotations

import re

import pytest

from orchestrator.metrics.family import Family, Kind
from orchestrator.metrics.groups import GROUPS
from orchestrator.metrics.page import PAGE, page

FAMILIES = [family for group in GROUPS for family in group.families]
UNITS = ("_seconds", "_bytes")
OTHER_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kib|mib|kb|mb)(_|$)")
NEVER = {"id", "run", "host", "address", "contract", "namespace", "token", "instance"}


def test_no_name_is_given_twice() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_metric_keeps_to_the_conventions(family: Family) -> None:
    assert re.fullmatch(r"genvm_[a-z_]+", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.kind is not Kind.HISTOGRAM or family.name.endswith(UNITS)
    assert OTHER_UNITS.search(family.name) is None
    assert len(family.about.split()) > 1 or family.name == "genvm_build_info"
    assert not NEVER & family.labels.keys()


def test_the_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: make metrics-page"

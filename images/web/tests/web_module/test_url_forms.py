"""Some five hundred spellings of URLs, as the Rust `url` crate judges them: all nodes have to agree.

`url-forms.json` has rows of a spelling, what the crate (asked through url-py 2026.5.1) makes of it less the
fragment (null: no URL), and the cause for which a contract is refused it (null: accepted).
"""

from __future__ import annotations

import json
from pathlib import Path

import ada_url
import pytest

from genvm_module.errors import ModuleError
from genvm_web.top_level_domains import root_zone
from genvm_web.urls import SCHEMES, UrlRules, is_host

ROWS: list[tuple[str, str | None, str | None]] = [
    tuple(row) for row in json.loads(Path(__file__).with_name("url-forms.json").read_text("ascii"))
]
REFERENCES = [
    # A reference, the page that names it, and where the crate says it leads.
    ("^", "http://a.com/^x/%5E/y", "http://a.com/^x/%5E/^"),
    ("^:b", "http://a.com/^x/y", "http://a.com/^x/^:b"),
    ("_0_^", "http://a.com/^x/y", "http://a.com/^x/_0_^"),
    ("y?^", "http://a.com/^/", "http://a.com/^/y?^"),
    ("../%5E", "http://a.com/^/^/", "http://a.com/^/%5E"),
    ("//b.com/^", "http://a.com/^", "http://b.com/^"),
]


def verdict(rules: UrlRules, text: str, base: str | None = None) -> tuple[str | None, str | None]:
    """The URL as it goes on, or the cause of its refusal."""
    try:
        return rules.check(text, base).href, None
    except ModuleError as refused:
        return None, refused.causes[0]


@pytest.mark.parametrize(("text", "crate", "cause"), ROWS, ids=lambda value: ascii(value)[:40])
def test_a_spelling_is_judged_as_nodes_judge_it(text: str, crate: str | None, cause: str | None) -> None:
    href, found = verdict(UrlRules(root_zone()), text)
    assert found == cause
    if crate is None:
        assert cause == "MALFORMED_URL"
    if found is None:
        assert href == crate


@pytest.mark.parametrize(("text", "crate"), [row[:2] for row in ROWS], ids=lambda value: ascii(value)[:40])
def test_what_goes_on_is_the_crate_s_spelling_of_it(text: str, crate: str | None) -> None:
    """On hosts that no rule keeps from going on; a name that no server could be asked for is none."""
    url = ada_url.URL(crate) if crate is not None else None
    expected: tuple[str | None, str | None]
    if url is None or url.username or url.password or not is_host(url.hostname):
        expected = (None, "MALFORMED_URL")
    elif url.protocol.removesuffix(":") not in SCHEMES:
        expected = (None, "SCHEMA_FORBIDDEN")
    else:
        expected = (crate, None)
    everywhere = UrlRules(root_zone(), frozenset({url.hostname if url is not None else ""}))
    found = verdict(everywhere, text)
    assert found == expected or (found[1], expected[1]) == ("SCHEMA_FORBIDDEN", "MALFORMED_URL")


@pytest.mark.parametrize(("reference", "base", "crate"), REFERENCES)
def test_references_are_joined_as_nodes_join_them(reference: str, base: str, crate: str) -> None:
    assert verdict(UrlRules(root_zone()), reference, base) == (crate, None)


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) > 300
    assert {cause for _, _, cause in ROWS} == {
        None,
        "MALFORMED_URL",
        "SCHEMA_FORBIDDEN",
        "PORT_FORBIDDEN",
        "TLD_FORBIDDEN",
    }

"""Every page, heading and file that code or docs point to is there."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = re.compile(r"(?<![\w/.])((?:docs|findings)/[\w/.-]+?\.(?:md|sh))(?:#([\w-]+))?(?![\w/])")
LINK = re.compile(r"\]\(([^()\s#]*)(?:#([\w-]+))?\)")
SOMEWHERE = re.compile(r"(?<![\w/.<{*%-])(?:spec/)?([A-Za-z][\w-]+\.md)(?![\w/])")
NAMED = re.compile(r"`((?:orchestrator|images|tests|bench|docs|examples|findings|\.ci)/[\w./-]*\w/?)`")
MADE = "bench/out/"
"""What a benchmark writes."""
READ = {".md", ".py", ".sh", ".yaml", ".toml", ".html", ""}


def files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [Path(name) for name in listed.stdout.split("\0") if name]
    return [name for name in names if name.suffix in READ and (ROOT / name).is_file()]


FILES = files()


@cache
def anchors(page: Path) -> set[str]:
    """As the usual renderers make them of headings."""
    headings = re.findall(r"^#+ +(.+?)\s*$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing(base: Path, target: str, anchor: str | None) -> bool:
    page = base / target
    return not page.exists() or (anchor is not None and page.suffix == ".md" and anchor not in anchors(page))


def test_pages_that_are_named() -> None:
    here = Path(__file__).relative_to(ROOT)
    wrong = [
        f"{name}: {target}#{anchor}"
        for name in FILES
        if name != here
        for target, anchor in PAGE.findall((ROOT / name).read_text("utf-8"))
        if missing(ROOT, target, anchor or None)
    ]
    assert wrong == []


def test_pages_that_are_named_without_their_folder() -> None:
    """The specification's have no ending: docs/architecture.md says where they are."""
    here = Path(__file__).relative_to(ROOT)
    known = {name.name for name in FILES} | {"RELEASE-NOTES.md"}
    wrong = [
        f"{name}: {page}"
        for name in FILES
        if name != here
        for page in SOMEWHERE.findall((ROOT / name).read_text("utf-8"))
        if page not in known
    ]
    assert wrong == []


@pytest.mark.parametrize("page", [name for name in FILES if name.suffix == ".md"], ids=str)
def test_links_and_files_of_a_page(page: Path) -> None:
    text = (ROOT / page).read_text("utf-8")
    wrong = [
        f"{target}#{anchor}"
        for target, anchor in LINK.findall(text)
        if "://" not in target and missing((ROOT / page).parent, target or page.name, anchor or None)
    ]
    named = [target for target in NAMED.findall(text) if not target.startswith(MADE)]
    wrong += [target for target in named if not (ROOT / target).exists()]
    assert wrong == []

"""Wheels fit the Python inside the image, whatever runs on the host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.imaging.failures import WheelsUnavailable
from orchestrator.imaging.recipes import RECIPES
from orchestrator.imaging.wheels import Target, parse_target

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted({recipe.lock for recipe in RECIPES if recipe.lock} | {"requirements-dev.lock"})


def test_the_images_own_answer_decides() -> None:
    assert parse_target("3 12 2 36 aarch64\n") == Target((3, 12), (2, 36), "aarch64")


def test_an_image_without_glibc_is_refused_with_a_reason() -> None:
    with pytest.raises(WheelsUnavailable, match="a base with glibc is needed"):
        parse_target("3 12 x86_64")


def test_every_older_manylinux_is_acceptable_and_no_newer() -> None:
    options = Target((3, 11), (2, 36), "x86_64").pip_options()
    assert "--python-version=3.11" in options
    assert "--platform=manylinux_2_36_x86_64" in options
    assert "--platform=manylinux_2_17_x86_64" in options
    assert "--platform=manylinux2014_x86_64" in options
    assert "--platform=manylinux_2_37_x86_64" not in options


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_pin_every_package_by_hash_and_name_no_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.findall(r"^[a-z0-9].*(?:\n .*)*", text, flags=re.MULTILINE)
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text

"""Images are built from a checkout; anything else is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.failures import SourcesMissing


def project(root: Path) -> Path:
    (root / "images").mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "4.5.6"\n')
    return root


def test_by_default_it_is_the_one_that_runs() -> None:
    assert (find_checkout().root / "images" / "base" / "Dockerfile").is_file()


def test_the_version_is_the_projects(tmp_path: Path) -> None:
    assert find_checkout(project(tmp_path)).version == "4.5.6"


def test_a_source_archive_without_git_has_no_revision(tmp_path: Path) -> None:
    assert find_checkout(project(tmp_path)).revision == ""


def test_another_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourcesMissing, match="not a checkout of genvm-orchestrator"):
        find_checkout(tmp_path)

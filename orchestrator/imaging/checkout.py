"""The source tree that images are made of."""

from __future__ import annotations

import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

from orchestrator.imaging.failures import SourcesMissing


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of this project: its root, its version and the commit (empty when unknown)."""

    root: Path
    version: str
    revision: str


def find_checkout(root: Path | None = None) -> Checkout:
    """The checkout at `root`, by default the one this package was imported from.

    Raises SourcesMissing when there is none, for example after a plain `pip install`.
    """
    place = (root or Path(__file__).resolve().parents[2]).resolve()
    project = place / "pyproject.toml"
    if not (place / "images").is_dir() or not project.is_file():
        raise SourcesMissing(f"{place} is not a checkout of genvm-orchestrator; name one with --source DIR")
    version = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    return Checkout(root=place, version=str(version), revision=_revision(place))


def _revision(root: Path) -> str:
    """The commit, or nothing: a source archive without git must build as well."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""

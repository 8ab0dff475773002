"""The source tree that images are made of: a checkout, or what an installed wheel carries of one."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from orchestrator.imaging.failures import SourcesMissing

DISTRIBUTION = "genvm-orchestrator"
CARRIED = "genvm_orchestrator_sources"
"""Where a wheel keeps what is not a package of its own anyway: see `force-include` in pyproject.toml."""
PACKAGES = {
    "orchestrator": "orchestrator",
    "images/base/genvm_module": "genvm_module",
    "images/base/genvm_wire": "genvm_wire",
    "images/executor/genvm_executor": "genvm_executor",
    "images/llm/genvm_llm": "genvm_llm",
    "images/web/genvm_web": "genvm_web",
}
"""Path in a checkout → package at the top of a wheel."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A source tree of this project: its root, its version and the commit (empty when unknown).

    `packages` are paths of the tree that lie elsewhere; none in a checkout.
    """

    root: Path
    version: str
    revision: str
    packages: Mapping[str, Path] = field(default_factory=dict)

    @property
    def installed(self) -> bool:
        """Whether this is what a wheel carries, without git, tests and build tools."""
        return bool(self.packages)

    def path(self, name: str) -> Path:
        """Where a file or folder of the tree is."""
        return self.packages.get(name, self.root / name)

    def packages_below(self, folder: str) -> dict[str, Path]:
        """The packages that belong into a folder of the tree and lie elsewhere, by their names in it."""
        prefix = f"{folder}/"
        return {
            name.removeprefix(prefix): path for name, path in self.packages.items() if name.startswith(prefix)
        }


def find_checkout(root: Path | None = None) -> Checkout:
    """The checkout at `root`; by default the one this package is in, or else what its wheel carries.

    Raises SourcesMissing when there is neither.
    """
    place = (root or Path(__file__).resolve().parents[2]).resolve()
    project = place / "pyproject.toml"
    if (place / "images").is_dir() and project.is_file():
        version = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
        return Checkout(root=place, version=str(version), revision=_revision(place))
    if root is None and (place / CARRIED / "images").is_dir():
        packages = {path: place / package for path, package in PACKAGES.items()}
        return Checkout(place / CARRIED, metadata.version(DISTRIBUTION), "", packages)
    raise SourcesMissing(f"{place} is not a checkout of genvm-orchestrator; name one with --source DIR")


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

"""The notes of a release: what the changelog says, what can be had, what was committed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

UNRELEASED = "Unreleased"


class ShippedImage(NamedTuple):
    """`digest`: what a registry calls the image; `image_id`: what an engine does that loaded it."""

    reference: str
    file: str
    digest: str
    image_id: str


def notes(root: Path, version: str, revision: str, images: Sequence[ShippedImage]) -> str:
    """As Markdown."""
    parts = [f"# genvm-orchestrator {version}\n\nCommit `{revision}`.\n"]
    if images:
        rows = "".join(f"| `{i.reference}` | `{i.file}` | `{i.digest}` | `{i.image_id}` |\n" for i in images)
        head = "| image | file | digest | id where it is loaded |\n|---|---|---|---|\n"
        parts.append(
            f"## Images\n\n`docker load --input FILE`, or any tool that reads OCI layouts.\n\n{head}{rows}"
        )
    parts.append(f"## Changes\n\n{changes((root / 'CHANGELOG.md').read_text('utf-8'), version)}\n")
    since = _last_tag(root)
    commits = _git(root, "log", "--no-merges", "--format=* %s", *([f"{since}..HEAD"] if since else []))
    parts.append(f"## Commits{f' since {since}' if since else ''}\n\n{commits}\n")
    return "\n".join(parts)


def changes(changelog: str, version: str) -> str:
    """What the changelog says of a version, or of what is not released yet where it does not name it."""
    sections = re.split(r"^## \[(.+?)\].*$", changelog, flags=re.MULTILINE)
    said = dict(zip(sections[1::2], sections[2::2], strict=True))
    return said.get(version, said.get(UNRELEASED, "")).strip()


def _last_tag(root: Path) -> str:
    """The newest tag of a version below this commit, not of this commit itself; empty where there is none."""
    return _git(root, "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")


def _git(root: Path, *words: str) -> str:
    """What git answers, or nothing where it does not know."""
    answer = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""

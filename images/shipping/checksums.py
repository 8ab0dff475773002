"""SHA-256 of everything in a folder, as `sha256sum --check` reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path

NAME = "SHA256SUMS"


def write_checksums(folder: Path) -> Path:
    """Write the list of all files of `folder` (none of folders below) into it."""
    lines = [f"{sum_of(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != NAME]
    target = folder / NAME
    target.write_text("".join(lines), "utf-8")
    return target


def sum_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()

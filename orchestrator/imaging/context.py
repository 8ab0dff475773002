"""The build context: the files that an image is made of, as a tar that is the same byte for byte each time.

Times, owners and modes in the working tree differ from machine to machine; none of them reaches the context,
so that its digest says whether an image is up to date.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from docker.utils import exclude_paths

from orchestrator.imaging.failures import SourcesMissing

# 2026-01-01T00:00:00Z
EPOCH = 1_767_225_600

IGNORE_FILE = ".dockerignore"
ALWAYS_LEFT_OUT = ("**/__pycache__", "**/*.pyc")


def context_files(folder: Path, extra: Mapping[str, Path] | None = None) -> dict[str, Path]:
    """Name in the context → file, sorted: a folder less its `.dockerignore`, plus extra files or folders.

    Raises SourcesMissing when the folder or an extra is not there.
    """
    files = dict(_walk(folder, ""))
    for name, path in (extra or {}).items():
        if path.is_dir():
            files.update(_walk(path, f"{name}/"))
        elif path.is_file():
            files[name] = path
        else:
            raise SourcesMissing(f"{path} is missing: the image of {folder.name} needs it")
    return dict(sorted(files.items()))


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        raise SourcesMissing(f"{folder} is missing: nothing to build from")
    ignore = folder / IGNORE_FILE
    patterns = list(ALWAYS_LEFT_OUT)
    if ignore.is_file():
        patterns += [line.strip() for line in ignore.read_text(encoding="utf-8").splitlines()]
    wanted = [pattern for pattern in patterns if pattern and not pattern.startswith("#")]
    for name in exclude_paths(str(folder), wanted):
        path = folder / name
        # A symlink could pull anything of the host into an image.
        if name != IGNORE_FILE and path.is_file() and not path.is_symlink():
            yield f"{prefix}{name}", path


def digest(files: Mapping[str, Path], facts: Mapping[str, str]) -> str:
    """A digest over names, modes and contents, and over the facts (build arguments and the like)."""
    total = hashlib.sha256()
    for key, value in sorted(facts.items()):
        total.update(f"fact {key}={value}\n".encode())
    for name, path in sorted(files.items()):
        total.update(
            f"file {name} {_mode(path):o} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode()
        )
    return total.hexdigest()


def write_tar(files: Mapping[str, Path], target: IO[bytes]) -> None:
    """Write the context as an uncompressed tar with fixed times, owners and modes."""
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in files.items():
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = _mode(path)
            entry.mtime = EPOCH
            archive.addfile(entry, io.BytesIO(content))


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644

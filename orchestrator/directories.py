"""Directories with the modes that they are meant to have, whatever the umask."""

from __future__ import annotations

from pathlib import Path

ABOVE = 0o755


def make_directory(path: Path, mode: int) -> None:
    """Make `path` with `mode`, and with 0755 what is missing above; what is there stays as it is. Blocking.

    Raises OSError.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(0o700, exist_ok=True)
        one.chmod(mode if one == path else ABOVE)
    if not path.is_dir():
        raise NotADirectoryError(20, "Not a directory", str(path))

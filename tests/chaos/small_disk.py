"""A file system that is small enough to be filled up: the manager's state lives on it."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIZE = "48m"
PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Mounted at `path`. Its ballast takes what space is left, to the last byte."""

    path: Path

    @property
    def ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self) -> None:
        """Leave no space. Blocking."""
        with self.ballast.open("ab", buffering=0) as file:
            for piece in (PIECE, 1):
                try:
                    while True:
                        file.write(bytes(piece))
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self) -> None:
        """Give the space back. Blocking."""
        self.ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mount one at `path`, which is made."""
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "genvm-chaos", path], check=True)
    try:
        yield SmallDisk(path)
    finally:
        # Lazily: a container that is still going away may hold its directory.
        subprocess.run(["umount", "--lazy", path], check=True)
        path.rmdir()

"""`python3 place.py UNPACKED TARGET VERSION`: moves the wanted version of an unpacked release to its place.

An archive holds one version (`bin/genvm` somewhere in it) or several (`…/VERSION/bin/genvm`). Runs while
an image is built.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def place(unpacked: Path, target: Path, version: str) -> None:
    """Raises SystemExit with what is in the archive where the version is not to be told."""
    found = sorted(path.parent.parent for path in unpacked.glob("**/bin/genvm") if path.is_file())
    named = [path for path in found if path.name in (version, version.removeprefix("v"))]
    chosen = named or found
    if len(chosen) != 1:
        there = ", ".join(str(path.relative_to(unpacked)) for path in found) or "none"
        raise SystemExit(
            f"the archive must have one bin/genvm, or one in a folder called {version}; it has: {there}"
        )
    shared = [
        path for path in (chosen[0].parent.parent / "config", chosen[0].parent / "config") if path.is_dir()
    ]
    shutil.move(chosen[0], target)
    # Where several versions share one, it is found beside the program all the same.
    if shared and not (target / "config").exists():
        shutil.copytree(shared[0], target / "config")
    (target / "bin" / "genvm").chmod(0o755)


if __name__ == "__main__":
    place(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

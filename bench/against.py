"""This checkout beside another commit of it: both measured in one sitting, turn by turn, on one machine.

The other commit is checked out and installed in a folder of its own and measured by its own benchmark. Images
have one name each, so those of the side whose turn it is are built before it; layers are kept between turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.figures import Results

ROOT = Path(__file__).parents[1]


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A worktree of `revision` with its own virtual environment; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="genvm-bench-") as scratch:
        folder = Path(scratch) / "checkout"
        _say(f"checking out {revision}")
        _run(ROOT, "git", "worktree", "add", "--quiet", "--detach", str(folder), revision)
        try:
            _run(folder, "images/venv.sh")
            yield folder
        finally:
            _run(ROOT, "git", "worktree", "remove", "--force", str(folder))


def against(revision: str, arguments: Sequence[str], turns: int) -> tuple[Results, Results]:
    """Medians of `turns` measurements here and there, with the benchmark's `arguments`.

    Raises CalledProcessError for a side that cannot be built or measured.
    """
    ours: list[Results] = []
    theirs: list[Results] = []
    with checkout(revision) as other:
        try:
            for turn in range(turns):
                # Whoever goes first has a cooler machine.
                order = ((other, theirs), (ROOT, ours))
                for folder, results in order if turn % 2 == 0 else order[::-1]:
                    results.append(_measured(folder, arguments))
        finally:
            _build(ROOT)
    return medians(ours), medians(theirs)


def medians(results: Sequence[Results]) -> Results:
    """Figure by figure, of those that every turn has."""
    common = set.intersection(*(set(one) for one in results))
    return {name: statistics.median(one[name] for one in results) for name in sorted(common)}


def comparison(ours: Results, theirs: Results) -> str:
    """Every figure of both with its ratio; a figure that one side lacks has none."""
    lines = [f"{'figure':<42} {'there':>10} {'here':>10} {'ratio':>7}"]
    for name in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(name), theirs.get(name)
        ratio = "" if not here or not there else f"{here / there:7.2f}"
        lines.append(f"{name:<42} {_number(there)} {_number(here)} {ratio}".rstrip())
    return "\n".join(lines)


def _measured(folder: Path, arguments: Sequence[str]) -> Results:
    _build(folder)
    _run(folder, ".venv/bin/python", "-m", "bench", *arguments)
    content = json.loads((folder / "bench" / "out" / "latest.json").read_text())
    return {name: float(figure) for name, figure in content["results"].items()}


def _build(folder: Path) -> None:
    _say(f"building the images of {folder}")
    _run(folder, ".venv/bin/genvm-orchestrator", "images", "build")


def _run(folder: Path, *command: str) -> None:
    # What this checkout's interpreter was told of itself must not reach the other's.
    own = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    subprocess.run(command, cwd=folder, env=own, check=True, stdout=sys.stderr)


def _number(figure: float | None) -> str:
    return f"{'-':>10}" if figure is None else f"{figure:10.2f}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""This checkout beside another commit of it: both measured in one sitting, part by part and turn by turn.

The other commit is checked out and installed in a folder of its own and measured by its own benchmark. Images
have one name each for both sides: they are built once for each, and before its turn a side's get the names.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker

from bench.alternating import KINDS, Tested, alternating
from bench.figures import Results
from bench.manager import other_environment

ROOT = Path(__file__).parents[1]
EXECUTOR = "genvm-executor:latest"
ALTERNATING_RUNS = 100


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


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two checkouts. `images`: what its names stood for when it had built them, by name."""

    folder: Path
    images: Mapping[str, str]
    keep: str

    @classmethod
    def built(cls, folder: Path, keep: str) -> Side:
        """Builds; the tag `keep` holds the images while the other side has the names."""
        _say(f"building the images of {folder}")
        _run(folder, ".venv/bin/genvm-orchestrator", "images", "build")
        client = docker.from_env()
        try:
            images = {
                tag: str(image.id)
                for image in client.images.list()
                for tag in image.tags
                if tag.startswith("genvm-") and not tag.startswith("genvm-bench:")
            }
            for identity in set(images.values()):
                client.images.get(identity).tag("genvm-bench", _tag(keep, identity))
        finally:
            client.close()
        return cls(folder, images, keep)

    def tested(self) -> Tested:
        return Tested(self.folder, f"genvm-bench:{_tag(self.keep, self.images[EXECUTOR])}")

    def take_names(self) -> None:
        client = docker.from_env()
        try:
            for name, identity in self.images.items():
                repository, _, tag = name.rpartition(":")
                client.images.get(identity).tag(repository, tag)
        finally:
            client.close()

    def measured(self, arguments: Sequence[str]) -> Results:
        self.take_names()
        _run(self.folder, ".venv/bin/python", "-m", "bench", *arguments)
        content = json.loads((self.folder / "bench" / "out" / "latest.json").read_text())
        return {name: float(figure) for name, figure in content["results"].items()}


@dataclass(frozen=True, slots=True)
class Pair:
    """Medians of a figure's turns on both sides, and of the turns' own ratios, here to there.

    A machine that others share is at one speed now and at another in ten minutes: what was measured one after
    the other can be compared, medians of far apart turns cannot.
    """

    there: float
    here: float
    ratio: float | None


def against(revision: str, parts: Sequence[str], arguments: Sequence[str], turns: int) -> dict[str, Pair]:
    """Figures by name of the `parts` that both sides know, measured `turns` times part by part.

    Of warm starts and reuse also of both at the same time, a run of each in turn: their ratios say most.
    `arguments`: the benchmark's. Raises CalledProcessError for a side that cannot be built or measured.
    """
    measured: list[tuple[Results, Results]] = []
    with checkout(revision) as folder, kept_images():
        known = _parts_of(folder)
        there = Side.built(folder, "there")
        here = Side.built(ROOT, "here")
        try:
            for part in parts:
                if part not in known:
                    _say(f"{revision} does not measure {part}")
                    continue
                for turn in range(turns):
                    asked = [*arguments, "--only", part]
                    measured.append(_turn(there, here, asked, here_first=turn % 2 == 1))
            if not KINDS.keys().isdisjoint(parts):
                _say("measuring: a run of each in turn")
                both = asyncio.run(alternating((there.tested(), here.tested()), ALTERNATING_RUNS))
                measured.append((both[0], both[1]))
        finally:
            here.take_names()
    return paired(measured)


@contextmanager
def kept_images() -> Iterator[None]:
    """The names that hold both sides' images go afterwards, and with them the other side's images."""
    try:
        yield
    finally:
        client = docker.from_env()
        try:
            for image in client.images.list(name="genvm-bench"):
                for tag in image.tags:
                    if tag.startswith("genvm-bench:"):
                        client.images.remove(tag)
        finally:
            client.close()


def paired(measured: Sequence[tuple[Results, Results]]) -> dict[str, Pair]:
    """From turns (there, here): a figure that a side lacks is left out."""
    turns: dict[str, list[tuple[float, float]]] = {}
    for there, here in measured:
        for name in there.keys() & here.keys():
            turns.setdefault(name, []).append((there[name], here[name]))
    return {name: _pair(turns[name]) for name in sorted(turns)}


def _pair(turns: Sequence[tuple[float, float]]) -> Pair:
    ratios = [here / there for there, here in turns if there]
    return Pair(
        statistics.median(there for there, _ in turns),
        statistics.median(here for _, here in turns),
        statistics.median(ratios) if ratios else None,
    )


def comparison(pairs: Mapping[str, Pair]) -> str:
    """Every figure of both with its ratio."""
    lines = [f"{'figure':<42} {'there':>10} {'here':>10} {'ratio':>7}"]
    for name, pair in pairs.items():
        ratio = "" if pair.ratio is None else f"{pair.ratio:7.2f}"
        lines.append(f"{name:<42} {pair.there:10.2f} {pair.here:10.2f} {ratio}".rstrip())
    return "\n".join(lines)


def _tag(keep: str, identity: str) -> str:
    return f"{keep}-{identity.removeprefix('sha256:')[:12]}"


def _parts_of(folder: Path) -> list[str]:
    listing = "from bench.measures import MEASURES; print(*MEASURES)"
    return _output(folder, ".venv/bin/python", "-c", listing).split()


def _turn(there: Side, here: Side, arguments: Sequence[str], *, here_first: bool) -> tuple[Results, Results]:
    """Whoever goes first has a cooler machine."""
    if here_first:
        found = here.measured(arguments)
        return there.measured(arguments), found
    found = there.measured(arguments)
    return found, here.measured(arguments)


def _run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, env=other_environment(), check=True, stdout=sys.stderr)


def _output(folder: Path, *command: str) -> str:
    found = subprocess.run(
        command, cwd=folder, env=other_environment(), check=True, stdout=subprocess.PIPE, text=True
    )
    return found.stdout


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

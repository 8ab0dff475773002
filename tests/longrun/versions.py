"""The version that the day begins with and the one that it ends with: their programs and images."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import docker.errors

from bench.against import ROOT, Side, kept_images
from genvm_wire.line_rules import OLD_LINE
from tests.e2e.manager_process import PROGRAM
from tests.longrun.errands import BOTH_LINES

IMAGES = {
    "image_pattern": "genvm-executor",
    "void_image": "genvm-base",
    "llm_image": "genvm-llm",
    "web_image": "genvm-web",
}
"""Setting → what `images build` calls it."""


@dataclass(frozen=True, slots=True)
class Version:
    """`program` serves; `images` are the settings that name its images; `lines` those of its manifest."""

    name: str
    program: Sequence[str] = PROGRAM
    images: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = BOTH_LINES


PRESENT = Version("present")


def built(engine: docker.APIClient, folder: Path) -> tuple[Version, Version]:
    """The checkout in `folder`, which has its own virtual environment, and this one: before and after.

    Their images get names that no other build takes; this checkout's have their usual ones, too.
    """
    pair = as_they_are(folder)
    with kept_images():
        here, there = Side.built(ROOT, "here"), Side.built(folder, "there")
        for version, side in zip(pair, (there, here), strict=True):
            for setting, image in IMAGES.items():
                repository, _, tag = version.images[setting].rpartition(":")
                engine.tag(side.images[f"{image}:latest"], repository, tag)
        here.take_names()
    return pair


def as_they_are(folder: Path) -> tuple[Version, Version]:
    """The same of which the images have been built before."""
    program = (str(folder / ".venv/bin/python"), "-I", "-m", "orchestrator")
    before = Version(_revision(folder), program, _named("before"), _lines(folder))
    return before, Version(_revision(ROOT), PROGRAM, _named("after"), _lines(ROOT))


def _named(when: str) -> Mapping[str, str]:
    return {setting: f"genvm-longrun-{when}-{image}:latest" for setting, image in IMAGES.items()}


def _revision(folder: Path) -> str:
    command = ("git", "rev-parse", "--short", "HEAD")
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def _lines(folder: Path) -> Sequence[str]:
    """Of its built-in manifest: the first releases had one."""
    manifest = (folder / "orchestrator/contracts/default-manifest.yaml").read_text("utf-8")
    return [line for line in BOTH_LINES if f"contract_line: {line}" in manifest] or [OLD_LINE]


@contextmanager
def untagged_afterwards(engine: docker.APIClient, *versions: Version) -> Iterator[None]:
    """The names of their images are gone afterwards."""
    try:
        yield
    finally:
        for version in versions:
            for image in version.images.values():
                try:
                    engine.remove_image(image)
                except docker.errors.APIError as error:
                    print(f"{image} stays: {error.explanation}", file=sys.stderr)

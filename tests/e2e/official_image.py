"""Images of official releases, as `images release` makes them; a program stands in for the real one."""

from __future__ import annotations

import argparse
import io
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from orchestrator.imaging import arguments, cli
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.recipes import official_release

BASE = "genvm-base:latest"


@contextmanager
def release_image(engine: docker.APIClient, folder: Path, release: str, program: str) -> Iterator[str]:
    """Its name. `program` is in Python, whose place in the image is `{python}` in it."""
    with ImageEngine() as images:
        python = images.ask_python(BASE, "import sys; print(sys.executable)")
    text = program.replace("{python}", python).encode()
    archive = folder / "genvm-linux.tar.xz"
    with tarfile.open(archive, "w:xz") as packed:
        entry = tarfile.TarInfo(f"executor/{release}/bin/genvm")
        entry.size, entry.mode = len(text), 0o755
        packed.addfile(entry, io.BytesIO(text))
    version = f"{release.partition('-')[0]}-{secrets.token_hex(4)}"
    parser = argparse.ArgumentParser()
    arguments.add_commands(parser.add_subparsers(required=True))
    assert cli.run(parser.parse_args(["images", "release", str(archive), version])) == 0
    (name,) = official_release(version).tags(version)
    yield name
    engine.remove_image(name)


def manifest_of(folder: Path, release: str, image: str, table: str) -> Path:
    """One that has nothing else."""
    manifest = folder / "manifest.yaml"
    entry = f'{{available_after: "2024-01-01T00:00:00Z", image: "{image}", host_table: {table}}}'
    manifest.write_text(f"executor_versions:\n  {release}: {entry}\n")
    return manifest

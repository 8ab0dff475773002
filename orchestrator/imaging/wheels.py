"""The wheels an image installs, collected on the host where pip has a working network.

Only what a lock pins by hash gets in, and only wheels that fit the image's Python, C library and processor.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from orchestrator.imaging.checkout import DISTRIBUTION, Checkout
from orchestrator.imaging.context import EPOCH
from orchestrator.imaging.failures import WheelsUnavailable
from orchestrator.imaging.recipes import Recipe
from orchestrator.imaging.repacking import repacked

ATTEMPTS = 3

TARGET_QUESTION = (
    "import platform, sys; "
    "print(*sys.version_info[:2], *platform.libc_ver()[1].split('.')[:2], platform.machine())"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels must fit: (major, minor) of Python and of glibc, and the processor, e.g. `x86_64`."""

    python: tuple[int, int]
    glibc: tuple[int, int]
    machine: str

    def pip_options(self) -> list[str]:
        """pip does not derive older manylinux tags from newer ones, so all of them are named."""
        major, minor = self.glibc
        platforms = [f"manylinux_{major}_{n}_{self.machine}" for n in range(minor, 4, -1)]
        platforms += [f"manylinux{name}_{self.machine}" for name in ("2014", "2010", "1")]
        version = "{}.{}".format(*self.python)
        return [f"--python-version={version}", *(f"--platform={name}" for name in platforms)]


def parse_target(answer: str) -> Target:
    """Read what TARGET_QUESTION prints. Raises WheelsUnavailable for an image without glibc."""
    try:
        python_major, python_minor, libc_major, libc_minor, machine = answer.split()
        return Target((int(python_major), int(python_minor)), (int(libc_major), int(libc_minor)), machine)
    except ValueError:
        raise WheelsUnavailable(
            f"the base image's Python answers {answer!r}; a base with glibc is needed"
        ) from None


@contextmanager
def collected(
    checkout: Checkout, recipe: Recipe, target: Target, say: Callable[[str], None]
) -> Iterator[list[Path]]:
    """The wheel files a recipe needs, in a directory that lives as long as the context.

    Raises WheelsUnavailable.
    """
    assert recipe.lock is not None
    with tempfile.TemporaryDirectory(prefix="genvm-wheels-") as scratch:
        folder = Path(scratch)
        for lock in (recipe.lock, "images/installer.lock"):
            _download(checkout.path(lock), folder, target, say)
        if recipe.project_wheel and checkout.installed:
            repacked(metadata.distribution(DISTRIBUTION), folder)
        elif recipe.project_wheel:
            build_project(checkout.root, folder, "wheel")
        yield sorted(folder.iterdir())


def _download(lock: Path, folder: Path, target: Target, say: Callable[[str], None]) -> None:
    command = [*_pip(), "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--implementation=cp", *target.pip_options()]
    command += ["--dest", str(folder), "--requirement", str(lock)]
    for attempt in range(1, ATTEMPTS + 1):
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return
        say(f"collecting the wheels of {lock.name} failed (attempt {attempt} of {ATTEMPTS})")
        if attempt < ATTEMPTS:
            time.sleep(3 * attempt)
    raise WheelsUnavailable(f"pip could not collect the wheels of {lock}:\n{answer.stderr[-2000:]}")


def _pip() -> list[str]:
    """pip as it can be called here: not every environment has its own. Raises WheelsUnavailable."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise WheelsUnavailable(
            f"pip is needed to collect wheels, and there is none: {sys.executable} -m ensurepip, "
            "or Debian's python3-pip"
        )
    return [found]


def build_project(root: Path, folder: Path, *targets: str) -> None:
    """Build the project at `root` as `wheel`, `sdist` or both into `folder`. Raises WheelsUnavailable."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    command += [word for target in targets for word in ("--target", target)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)}
    answer = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise WheelsUnavailable(
            f"the project's {' and '.join(targets)} cannot be built; `make setup` installs what that needs:\n"
            f"{answer.stderr[-2000:]}"
        )

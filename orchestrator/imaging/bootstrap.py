"""A base image from Debian packages, for places where no public image can be pulled.

`debootstrap` makes a minimal root with Python, what no container needs is removed, and the engine imports
the rest. Needs root and the `debootstrap` package; takes about a minute, once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from orchestrator.imaging.context import EPOCH
from orchestrator.imaging.failures import BaseUnavailable

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3")
TAG = f"genvm-bootstrap:{SUITE}"

# What a running container never reads, and what would carry this host's name, resolver or history into it.
LEFT_OUT = (
    "dev/*",
    "proc/*",
    "sys/*",
    "run/*",
    "tmp/*",
    "etc/hostname",
    "etc/resolv.conf",
    "etc/machine-id",
    "usr/share/doc/*",
    "usr/share/info/*",
    "usr/share/lintian/*",
    "usr/share/locale/*",
    "usr/share/man/*",
    "var/cache/apt/*",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/*",
    "var/lib/apt/lists/*",
    "var/lib/dpkg/*-old",
    "var/log/*",
)

ATTEMPTS = 3


def fingerprint() -> str:
    """Changes when this recipe does; an imported image that carries another one is made again."""
    recipe = "\n".join((SUITE, *PACKAGES, *LEFT_OUT, str(EPOCH)))
    return hashlib.sha256(recipe.encode()).hexdigest()


def require_tools() -> None:
    """Raises BaseUnavailable, naming what is missing and how to get it."""
    if shutil.which("debootstrap", path=_search_path()) is None:
        raise BaseUnavailable("debootstrap is not installed: apt-get install debootstrap")
    if os.geteuid() != 0:
        raise BaseUnavailable("debootstrap needs root: run as root, or name an image with --base-image")


@contextmanager
def root_archive(say: Callable[[str], None]) -> Iterator[IO[bytes]]:
    """A tar of a fresh root, readable while the context is open. Raises BaseUnavailable."""
    require_tools()
    # Not /tmp: it may be a small tmpfs, or mounted without devices, which debootstrap refuses.
    with tempfile.TemporaryDirectory(prefix="genvm-bootstrap-", dir="/var/tmp") as scratch:
        root = Path(scratch) / "root"
        _debootstrap(root, say)
        yield from _archived(root)


def _debootstrap(root: Path, say: Callable[[str], None]) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)]
    mirror = os.environ.get("GENVM_DEBIAN_MIRROR")
    if mirror:
        command.append(mirror)
    environment = {**os.environ, "PATH": _search_path(), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    for attempt in range(1, ATTEMPTS + 1):
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False
        )
        if answer.returncode == 0:
            return
        shutil.rmtree(root, ignore_errors=True)
        say(f"debootstrap failed (attempt {attempt} of {ATTEMPTS})")
        if attempt < ATTEMPTS:
            time.sleep(5 * attempt)
    tail = answer.stdout.decode(errors="replace")[-2000:]
    raise BaseUnavailable(f"debootstrap {SUITE} failed; GENVM_DEBIAN_MIRROR names another mirror:\n{tail}")


def _archived(root: Path) -> Iterator[IO[bytes]]:
    # Only newer times are cut back: the byte code that Debian compiled refers to its sources' times.
    command = ["tar", "--sort=name", f"--mtime=@{EPOCH}", "--clamp-mtime", "--numeric-owner"]
    command += [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
    command += ["--wildcards", "-C", str(root), "-cf", "-", "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as packing:
        assert packing.stdout is not None
        try:
            yield packing.stdout
        finally:
            packing.stdout.close()
            packing.kill() if packing.poll() is None else None
    if packing.returncode not in (0, -9, -13):
        raise BaseUnavailable(f"tar failed with exit code {packing.returncode} on the fresh root")


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

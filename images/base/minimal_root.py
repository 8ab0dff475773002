"""Collects what a Python program needs into a folder that becomes a whole image of its own.

`python3 minimal_root.py FOLDER`: the interpreter, its standard library, everything below /opt/genvm, the
shared libraries that any of it loads, who the users are. Nothing else: no shell, no package manager, no
set-uid file, no tool that native code in a container could use. Runs while an image is built, as root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

OURS = Path("/opt/genvm")
OF_THE_BUILD = (Path(__file__).name, "drop_tools.sh")
FILES = ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/os-release")
FOLDERS = ("/etc/ssl", "/usr/lib/ssl", "/usr/share/ca-certificates", "/usr/share/zoneinfo/UTC")
EMPTY = ("dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "usr/sbin", "var/tmp")
"""What an engine mounts or links into, and the folders that /bin and /sbin are links to."""
FOR_EVERYBODY = ("tmp", "var/tmp")
LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
NEVER_RUN = ("ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtledemo", "pydoc_data")
LOADED_LATER = ("libgcc_s.so.1",)
"""Libraries that no program names: the C library loads this one when a thread ends."""


def main(target: Path) -> None:
    for name in EMPTY:
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in FOR_EVERYBODY:
        (target / name).chmod(0o1777)
    for link in (Path("/", name) for name in LINKS):
        if link.is_symlink():
            copy(link, target)
    for place in [*python(), OURS, *map(Path, FOLDERS)]:
        for file in below(place):
            copy(file, target)
    for file in [*map(Path, FILES), *interpreter()]:
        copy(file, target)
    for library in libraries(target):
        copy(library, target)
    for program in [*interpreter(), *loaders(target)]:
        (target / program.resolve().relative_to("/")).chmod(0o755)


def python() -> Iterator[Path]:
    for name in ("stdlib", "platstdlib", "purelib"):
        yield Path(sysconfig.get_path(name))
    yield from (Path(place) for place in sys.path if place and Path(place).is_dir())


def interpreter() -> Iterator[Path]:
    """`python3` as it is found, and each link on the way to the program."""
    found = shutil.which("python3")
    assert found is not None
    path = Path(found)
    while path.is_symlink():
        yield path
        path = path.parent / path.readlink()
    yield path


def loaders(target: Path) -> list[Path]:
    """What the kernel starts a program with."""
    found = [*target.glob("lib*/ld-linux*"), *target.glob("usr/lib/*/ld-linux*")]
    return [Path("/", path.relative_to(target)) for path in found]


def below(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
    for folder, names, files in os.walk(place):
        names[:] = [name for name in names if name not in NEVER_RUN]
        yield Path(folder)
        yield from (Path(folder, name) for name in [*files, *names])


def copy(file: Path, target: Path) -> None:
    """The file at the same place below `target`, without a mark that it can be run; and what it links to."""
    if not file.is_symlink() and not file.exists():
        return
    # Where a folder of its path is a link (/lib is one to usr/lib), the file goes to where that leads.
    real = file.parent.resolve() / file.name
    there = target / real.relative_to("/")
    if real.name in OF_THE_BUILD or there.is_symlink() or (there.exists() and not real.is_dir()):
        return
    there.parent.mkdir(parents=True, exist_ok=True)
    if real.is_symlink():
        there.symlink_to(real.readlink())
        copy(real.parent / real.readlink(), target)
    elif real.is_dir():
        there.mkdir(exist_ok=True)
    else:
        shutil.copy2(real, there)
        there.chmod(0o644)


def libraries(target: Path) -> list[Path]:
    """What the loader finds for the programs and libraries that have been copied."""
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    known = {line.split()[0]: Path(line.rpartition("=> ")[2]) for line in listed.splitlines() if "=>" in line}
    needed = {known[name] for name in LOADED_LATER if name in known}
    for folder, _, names in os.walk(target):
        for file in (Path(folder, name) for name in names):
            if not file.is_symlink() and is_binary(file):
                needed |= set(needed_by(Path("/", file.relative_to(target))))
    return sorted(needed)


def is_binary(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def needed_by(file: Path) -> Iterator[Path]:
    listed = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        path = line.rpartition("=>")[2].split(" (")[0].strip()
        if path.startswith("/"):
            yield Path(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

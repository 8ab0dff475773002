"""Rows 3, 4 and 19: writing where it must not, filling what it may, and traps where the manager reads."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any, NoReturn

from genvm_wire.instance_messages import Output

from .attempts import attempt, name_of, outcome
from .job import Job

CONTROL = "/run/genvm"
MIB = 1024 * 1024
LEFT_ALONE = ("/proc", "/sys")


def _made(folder: str) -> bool:
    path = Path(folder, "hostile")
    try:
        path.write_bytes(b"x")
        path.unlink()
    except OSError:
        return False
    return True


def _opens(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError:
        return False
    return True


@attempt
def write_everywhere(job: Job) -> dict[str, Any]:
    """Make a file in every directory there is and open every file for writing: where it went well."""
    folders, files, looked = [], [], 0
    for place, below, names in os.walk("/"):
        below[:] = [name for name in below if os.path.join(place, name) not in LEFT_ALONE]
        looked += 1 + len(names)
        folders += [place] if _made(place) else []
        files += [path for name in names if _opens(path := os.path.join(place, name))]
    return {"folders": folders, "files": files, "looked": looked}


@attempt
def write_named(job: Job, paths: list[str]) -> dict[str, str]:
    return {path: outcome(lambda p=path: Path(p, "hostile").write_bytes(b"x")) for path in paths}  # type: ignore[misc]


@attempt
def change_mounts(job: Job) -> dict[str, str]:
    """What makes a read-only place writable, or removes what is in it."""
    return {
        "remove the control socket": outcome(lambda: os.unlink(f"{CONTROL}/control.sock")),
        "rename the control socket": outcome(lambda: os.rename(f"{CONTROL}/control.sock", f"{CONTROL}/x")),
        "chmod the control directory": outcome(lambda: os.chmod(CONTROL, 0o777)),
        "symlink there": outcome(lambda: os.symlink("/etc/passwd", f"{CONTROL}/link")),
        "hard link there": outcome(lambda: os.link("/etc/passwd", f"{CONTROL}/link")),
        "hard link of the socket": outcome(lambda: os.link(f"{CONTROL}/control.sock", "/tmp/link")),
        "fifo there": outcome(lambda: os.mkfifo(f"{CONTROL}/fifo")),
        "fifo in /tmp": outcome(lambda: os.mkfifo("/tmp/fifo")),
        "directory there": outcome(lambda: os.mkdir(f"{CONTROL}/folder")),
        "mode of the root": outcome(lambda: os.chmod("/", 0o777)),
    }


def _fill(folder: str, at_most: int) -> tuple[int, str]:
    block, written = bytes(MIB // 4), 0
    with Path(folder, "full").open("wb", buffering=0) as file:
        try:
            while written < at_most:
                written += file.write(block)
        except OSError as error:
            return written, name_of(error)
    return written, "ok"


@attempt
def fill(job: Job, folder: str, at_most: int) -> dict[str, Any]:
    """Write until it fails: bytes and why."""
    written, why = _fill(folder, at_most)
    return {"bytes": written, "why": why}


@attempt
def litter(job: Job, folder: str, at_most: int) -> dict[str, Any]:
    """Make small files until it fails: how many and why."""
    for number in range(at_most):
        try:
            os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY))
        except OSError as error:
            return {"files": number, "why": name_of(error)}
    return {"files": at_most, "why": "ok"}


@attempt
def print_much(job: Job, count: int) -> dict[str, Any]:
    """`count` bytes to the container's own stdout; then wait, so that somebody can look."""
    block, written = (b"x" * 1023 + b"\n") * 64, 0
    while written < count:
        written += os.write(1, block[: count - written])
    job.tell_node("printed")
    job.host.recv(1)
    return {"bytes": written}


@attempt
def send_much(job: Job, count: int) -> NoReturn:
    """`count` bytes as the run's stdout, on the control channel."""
    block = b"x" * 60_000
    while job.written < count:
        job.frames.send(Output("stdout", job.written, block).as_map())
        job.written += len(block)
    job.finish()


@attempt
def raise_limits(job: Job) -> dict[str, str]:
    kinds = {name: getattr(resource, name) for name in ("RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_MEMLOCK")}

    def higher(kind: int) -> None:
        soft, hard = resource.getrlimit(kind)
        try:
            resource.setrlimit(kind, (soft, hard + 1))
        except ValueError as error:
            raise PermissionError(1, str(error)) from None

    return {name: outcome(lambda k=kind: higher(k)) for name, kind in kinds.items()}  # type: ignore[misc]

"""Runs inside the doctor's container: tries its limits and prints what it met as one line of JSON.

A program of its own, on nothing but Python's standard library.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

MORE_THAN_ALLOWED = 256 * 1024**2
MORE_TASKS_THAN_ALLOWED = 200
QUOTAS = (
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu.max",
)


def memory_killed() -> bool:
    """Whether a child that takes too much memory is killed for it."""
    child = os.fork()
    if child == 0:
        bytearray(b"x") * MORE_THAN_ALLOWED
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def tasks() -> int:
    """How many processes there can be, this one included."""
    children: list[int] = []
    reader, writer = os.pipe()
    try:
        while len(children) < MORE_TASKS_THAN_ALLOWED:
            child = os.fork()
            if child == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            children.append(child)
    except OSError:
        pass
    os.close(writer)
    for child in children:
        os.waitpid(child, 0)
    return len(children) + 1


def cpu_quota() -> bool:
    """Whether there is a quota of processor time."""
    for file in QUOTAS:
        path = Path(file)
        if path.exists():
            return path.read_text("ascii").split()[0] not in ("max", "-1")
    return False


def status(key: str) -> str:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return ""


if __name__ == "__main__":
    seen = {
        "memory_killed": memory_killed(),
        "tasks": tasks(),
        "cpu_quota": cpu_quota(),
        "seccomp": status("Seccomp"),
        "capabilities": status("CapEff"),
        "no_new_privileges": status("NoNewPrivs"),
        "routes": len(Path("/proc/net/route").read_text("ascii").splitlines()) - 1,
    }
    print(json.dumps(seen))

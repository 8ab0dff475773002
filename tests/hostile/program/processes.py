"""Rows 5, 6, 7, 11, 15, 16 and 21: too many processes, too much memory and time, and staying alive."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from .attempts import attempt, outcome
from .job import Job

MIB = 1024 * 1024
THROTTLED = (
    "/sys/fs/cgroup/cpu.stat",
    "/sys/fs/cgroup/cpu/cpu.stat",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
)


@attempt
def fork_bomb(job: Job) -> dict[str, Any]:
    """Every process forks for as long as it can; then how many there are, and the end of all but this one."""
    job.tell_node("bombing")
    children = 0
    try:
        while True:
            if os.fork() == 0:
                _fork_for_ever()
            children += 1
    except OSError as error:
        why = type(error).__name__
    alive = len([name for name in os.listdir("/proc") if name.isdigit()])
    job.tell_node("full")
    job.host.recv(1)  # the test looks at others meanwhile
    while True:
        os.kill(-1, signal.SIGKILL)  # all but this one and process 1
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            break
    return {"why": why, "children": children, "alive": alive}


def _fork_for_ever() -> None:
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.05)


@attempt
def hoard(job: Job, count: int) -> dict[str, Any]:
    """Take and touch `count` bytes."""
    kept = []
    for _ in range(count // (8 * MIB)):
        kept.append(bytearray(os.urandom(1)) * (8 * MIB))
    return {"bytes": len(kept) * 8 * MIB}


@attempt
def spin(job: Job, processes: int, seconds: float) -> dict[str, Any]:
    """Busy loops in so many processes: processor time used and time gone, in seconds."""
    begun = time.monotonic()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            while time.monotonic() < begun + seconds:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    used = os.times()
    return {"used": used.children_user + used.children_system, "gone": time.monotonic() - begun}


@attempt
def foreign(job: Job) -> dict[str, Any]:
    """Other processes: which can be seen, and whether those of the usual numbers can be signalled."""
    seen = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            seen[name] = Path("/proc", name, "comm").read_text().strip()
        except OSError:
            continue
    reached = []
    for pid in range(2, 40_000):
        if str(pid) in seen or pid == os.getpid():
            continue
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        except PermissionError:
            pass
        reached.append(pid)
    return {"seen": seen, "reached": reached, "own": os.getpid()}


def _child_that_stays(job: Job) -> None:
    """A grandchild of no parent that holds every descriptor and heeds no signal."""
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            deaf()
            while True:
                time.sleep(60)
        os._exit(0)
    os.wait()


def deaf() -> None:
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                continue
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))


@attempt
def outlive(job: Job, leave: bool) -> dict[str, Any]:
    """A result, and a process that goes on; with `leave` the first one ends as an executor does."""
    _child_that_stays(job)
    if not leave:
        deaf()
        job.frames.send(job.result())
        while True:
            time.sleep(60)
    return {"left": "a grandchild"}


@attempt
def heed_nothing(job: Job) -> None:
    """Ignore every signal and every message, in two processes, and take the watchdog's way to the manager."""
    watch = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    watch.connect("watch.sock")
    _child_that_stays(job)
    deaf()
    job.tell_node("deaf")
    while True:
        time.sleep(60)


@attempt
def kill_everybody(job: Job) -> dict[str, str]:
    """Process 1, which is above in the container, by one that heeds nothing which comes back from there."""
    deaf()
    tried = {}
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGINT, signal.SIGHUP, signal.SIGKILL):
        tried[f"1/{signal.Signals(number).name}"] = outcome(lambda n=number: os.kill(1, n))  # type: ignore[misc]
    return tried

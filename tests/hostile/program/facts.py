"""Rows 11, 12, 13 and 20: what can be learned of the machine, and what should not be there at all."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

from .attempts import attempt, outcome
from .job import Job

PIECE = 4096
DEEPEST = 3
NOT_SEARCHED = ("/sys", "/usr", "/opt", "/proc")
KNOWN = ("/run/secrets", "/var/run/secrets", "/root/.aws", "/root/.docker", "/root/.kube", "/etc/kubernetes")
"""Where credentials are put."""


def _first(path: str) -> bytes:
    """The first bytes, or none where there is nothing to read, or where reading would wait."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return b""
    try:
        return os.read(fd, PIECE)
    except OSError:
        return b""
    finally:
        os.close(fd)


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


@attempt
def readable(job: Job) -> dict[str, str]:
    """Each file of /proc (processes left out) and of /sys that says something, with its first bytes.

    A name of /sys is cut to its first folders: there are too many below.
    """
    found: dict[str, str] = {}
    for place, below, names in os.walk("/proc"):
        if place == "/proc":
            below[:] = [name for name in below if not name.isdigit()]
        for path in (os.path.join(place, name) for name in names):
            if _is_file(path) and (data := _first(path)):
                found[path] = data[:200].decode("latin-1")
    for place, _, names in os.walk("/sys"):
        for path in (os.path.join(place, name) for name in names):
            short = "/".join(path.split("/")[: DEEPEST + 1])
            if short not in found and _is_file(path) and (data := _first(path)):
                found[short] = data[:200].decode("latin-1")
    return found


@attempt
def of_itself(job: Job) -> dict[str, Any]:
    """What a process can read of itself, and what calls tell without any file."""
    names = os.uname()
    root = os.statvfs("/")
    return {
        "uname": [names.sysname, names.nodename, names.release, names.version, names.machine],
        "host_name": socket.gethostname(),
        "mountinfo": Path("/proc/self/mountinfo").read_text(),
        "cgroup": Path("/proc/self/cgroup").read_text(),
        "unix": Path("/proc/self/net/unix").read_text(),
        "environ": dict(os.environ),
        "environ of process 1": _first("/proc/1/environ").decode("latin-1"),
        "command line of process 1": _first("/proc/1/cmdline").decode("latin-1"),
        "etc": {name: Path("/etc", name).read_text() for name in ("hostname", "hosts", "resolv.conf")},
        "load": os.getloadavg(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "root_bytes": root.f_blocks * root.f_frsize,
        "oom_score_adj": Path("/proc/self/oom_score_adj").read_text().strip(),
    }


@attempt
def lower_oom_score(job: Job) -> dict[str, Any]:
    """Let others be killed first when the host runs out of memory."""
    path = Path("/proc/self/oom_score_adj")
    tried = {value: outcome(lambda v=value: path.write_text(v)) for value in ("1000", "499", "0", "-1000")}  # type: ignore[misc]
    return {"tried": tried, "is": path.read_text().strip()}


@attempt
def host_switches(job: Job) -> dict[str, str]:
    """The files that are the host's own levers, read and written."""
    return {
        "read kcore": repr(_first("/proc/kcore")),
        "read kallsyms": repr(_first("/proc/kallsyms").split(b" ")[0]),
        "read keys": repr(_first("/proc/keys")),
        "read timer_list": repr(_first("/proc/timer_list")),
        "list /sys/kernel": repr(_listed("/sys/kernel")),
        "list /sys/firmware": repr(_listed("/sys/firmware")),
        "write sysrq-trigger": _write("/proc/sysrq-trigger", b"h"),
        "write core_pattern": _write("/proc/sys/kernel/core_pattern", b"|/bin/true"),
        "write hostname": _write("/proc/sys/kernel/hostname", b"x"),
        "write ip_forward": _write("/proc/sys/net/ipv4/ip_forward", b"1"),
        "write uevent_helper": _write("/sys/kernel/uevent_helper", b"/bin/true"),
        "write release_agent": _write("/sys/fs/cgroup/release_agent", b"/bin/true"),
        "write memory limit": _write("/sys/fs/cgroup/memory/memory.limit_in_bytes", b"-1"),
        "write cgroup.procs": _write("/sys/fs/cgroup/cgroup.procs", b"1"),
        "make a cgroup": outcome(lambda: os.mkdir("/sys/fs/cgroup/memory/hostile")),
    }


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []


def _write(path: str, data: bytes) -> str:
    def write() -> None:
        fd = os.open(path, os.O_WRONLY)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    return outcome(write)


@attempt
def devices(job: Job) -> dict[str, Any]:
    """What /dev has, and what can be made or opened besides."""
    nodes = {}
    for place, _, names in os.walk("/dev"):
        for path in (os.path.join(place, name) for name in names):
            mode = os.lstat(path).st_mode
            if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
                nodes[path] = "b" if stat.S_ISBLK(mode) else "c"
    return {
        "names": sorted(os.listdir("/dev")),
        "nodes": nodes,
        "mknod a disk": outcome(lambda: os.mknod("/tmp/disk", stat.S_IFBLK | 0o600, os.makedev(8, 0))),
        "mknod kmem": outcome(lambda: os.mknod("/tmp/mem", stat.S_IFCHR | 0o600, os.makedev(1, 1))),
        "mknod fuse": outcome(lambda: os.mknod("/dev/fuse", stat.S_IFCHR | 0o600, os.makedev(10, 229))),
    }


@attempt
def search(job: Job, words: list[str]) -> dict[str, Any]:
    """Look for secrets: in the environment of every process, in every file outside the program's own, and
    for sockets and well-known files of credentials."""
    found, sockets, files = [], [], 0
    wanted = [word.encode() for word in words]
    for place, below, names in os.walk("/"):
        below[:] = [name for name in below if os.path.join(place, name) not in NOT_SEARCHED]
        for path in (os.path.join(place, name) for name in names):
            mode = os.lstat(path).st_mode
            if stat.S_ISSOCK(mode):
                sockets.append(path)
            elif stat.S_ISREG(mode):
                files += 1
                data = _all(path)
                found += [path for word in wanted if word in data]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("environ", "cmdline", "mountinfo"):
            data = _all(f"/proc/{pid}/{name}")
            found += [f"/proc/{pid}/{name}" for word in wanted if word in data]
    return {
        "found": found,
        "sockets": sockets,
        "files": files,
        "known": [path for path in KNOWN if os.path.exists(path)],
        "environment": sorted(os.environ),
    }


def _all(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""

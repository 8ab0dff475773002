"""Runs inside a container under a module's seccomp profile; prints what was refused as one JSON object."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration import seccomp_probe
else:  # beside this file, wherever it is mounted
    import seccomp_probe

USER, PID, NET = 0x10000000, 0x20000000, 0x40000000
NAMESPACES = {**seccomp_probe.NAMESPACES, "time": 0x80}
UNSHARE = seccomp_probe.CALLS["unshare"][seccomp_probe.column]
TCP, SCTP, MPTCP, ICMP = 6, 132, 262, 1
SOCKETS = {
    **{name: (*pair, 0) for name, pair in seccomp_probe.FAMILIES.items()},
    "tcp": (2, 1, TCP),
    "tcp over IPv6": (10, 1, TCP),
    "udp over IPv6": (10, 2, 0),
    "raw": (2, 3, ICMP),
    "raw over IPv6": (10, 3, 58),
    "ping": (2, 2, ICMP),
    "sctp": (2, 1, SCTP),
    "multipath tcp": (2, 1, MPTCP),
}
PACKET_FILTER = {"IPv4": (2, 0, 64), "IPv6": (10, 41, 64)}
"""Family, level and first option of what iptables says to the kernel."""


def answer(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "ok"


def unshare(flags: int) -> str:
    """In a child, so that nothing of it stays."""
    return in_child(lambda: str(seccomp_probe.raw(UNSHARE, flags)))


def in_child(act: Callable[[], str]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, act().encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        words = said.read()
    os.waitpid(child, 0)
    return words


def filtering(family: int, level: int, option: int) -> str:
    """As the root of a user and network namespace of its own, where the kernel asks for no more."""

    def act() -> str:
        if (made := str(seccomp_probe.raw(UNSHARE, USER | NET))) != "ok":
            return f"no namespace: {made}"
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            return answer(lambda: sock.setsockopt(level, option, b"\0" * 200))

    return in_child(act)


def empty_root() -> str:
    """What the browser does with its zygote."""

    def act() -> str:
        if (made := str(seccomp_probe.raw(UNSHARE, USER | PID | NET))) != "ok":
            return f"no namespace: {made}"
        return answer(lambda: os.chroot("/proc/self/fdinfo"))

    return in_child(act)


def serve() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        server.accept()[0].close()


def datagram() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", 9))
        return answer(lambda: sock.send(b"x"))


def main() -> None:
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    report = {
        "status": {key: lines[key].strip() for key in ("Seccomp", "NoNewPrivs", "CapEff")},
        "calls": {
            name: seccomp_probe.raw(numbers[seccomp_probe.column], *[-1] * 6)
            for name, numbers in seccomp_probe.CALLS.items()
        },
        "clone3": seccomp_probe.raw(seccomp_probe.CLONE3[seccomp_probe.column], 0, 0),
        "clone": {name: seccomp_probe.clone_into(flag) for name, flag in seccomp_probe.NAMESPACES.items()},
        "unshare": {name: unshare(flag) for name, flag in NAMESPACES.items()},
        "unshare with user": {name: unshare(flag | USER) for name, flag in NAMESPACES.items()},
        "sockets": {
            name: answer(lambda triple=triple: socket.socket(*triple).close())  # type: ignore[misc]
            for name, triple in SOCKETS.items()
        },
        "packet filter": {name: filtering(*triple) for name, triple in PACKET_FILTER.items()},
        "empty root": empty_root(),
        "foreign": seccomp_probe.column == 0 and seccomp_probe.in_child(seccomp_probe.foreign_call_works),
        "works": {
            "thread": seccomp_probe.thread_runs(),
            "subprocess": subprocess.run([sys.executable, "-S", "-c", ""], check=False).returncode == 0,
            "passed descriptor": seccomp_probe.descriptor_passes(),
            "lookup": answer(lambda: socket.getaddrinfo("localhost", 80)) == "ok",
            "datagram": datagram() == "ok",
        },
        "served": answer(serve),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

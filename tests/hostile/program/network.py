"""Rows 1 and 2: reaching anybody, and sockets of other kinds than a unix stream."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from .attempts import attempt, outcome
from .job import Job

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
RAW, SEQPACKET, RDM, DCCP, PACKET = 3, 5, 4, 6, 10
FAMILIES = 46
"""Address families that any kernel knows are below it."""


def dial(family: int, kind: int, address: tuple[Any, ...]) -> None:
    with socket.socket(family, kind) as sock:
        sock.settimeout(2)
        sock.connect(address)


@attempt
def reach(job: Job, addresses: dict[str, list[Any]]) -> dict[str, str]:
    """Connect to each address: name → family, type, host, port."""
    return {
        name: outcome(lambda where=where: dial(where[0], where[1], tuple(where[2:])))  # type: ignore[misc]
        for name, where in addresses.items()
    }


@attempt
def resolve(job: Job, name: str) -> str:
    try:
        return str(socket.getaddrinfo(name, 80))
    except OSError as error:
        return type(error).__name__


@attempt
def interfaces(job: Job) -> dict[str, Any]:
    lines = {
        name: Path(f"/proc/self/net/{name}").read_text("ascii").splitlines()
        for name in ("dev", "route", "arp", "tcp", "udp", "raw")
    }
    return {
        "names": [line.partition(":")[0].strip() for line in lines["dev"][2:]],
        **{name: lines[name][1:] for name in lines if name != "dev"},
    }


@attempt
def families(job: Job) -> dict[str, str]:
    """Every address family with every type of socket, and both kinds of pair."""
    seen = {}
    for family in range(FAMILIES):
        for kind in (STREAM, DATAGRAM, RAW, RDM, SEQPACKET, DCCP, PACKET):
            seen[f"{family}/{kind}"] = outcome(lambda f=family, k=kind: socket.socket(f, k).close())  # type: ignore[misc]
    for kind in (DATAGRAM, SEQPACKET):
        seen[f"pair/{kind}"] = outcome(lambda k=kind: socket.socketpair(socket.AF_UNIX, k))  # type: ignore[misc]
    return seen


@attempt
def be_reachable(job: Job) -> dict[str, str]:
    """Wait for others in the shared network: bind, also abstract, and listen."""
    sock = socket.socket(socket.AF_UNIX, STREAM)
    return {
        "bind in /tmp": outcome(lambda: sock.bind("/tmp/here")),
        "bind an abstract name": outcome(lambda: sock.bind("\0here")),
        "bind nameless": outcome(lambda: sock.bind("")),
        "listen": outcome(sock.listen),
    }

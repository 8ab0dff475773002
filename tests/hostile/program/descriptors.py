"""Row 23: a descriptor that came with the job, used for anything but the connection that it is."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .attempts import attempt, name_of, outcome
from .job import Job

if TYPE_CHECKING:
    from tests.integration.seccomp_probe import column, raw
else:  # beside this file in the image
    from .seccomp_probe import column, raw

SIOCGIFCONF, SIOCGIFADDR, SIOCADDRT, SIOCGIFINDEX, SIOCGIFNAME = 0x8912, 0x8915, 0x890B, 0x8933, 0x8910
SIOCGSKNS, SIOCGARP, SIOCETHTOOL = 0x894C, 0x8954, 0x8946
CONNECT, SENDTO, SENDMSG, SENDMMSG = (42, 203), (44, 206), (46, 211), (307, 269)
MSG_FASTOPEN = 0x20000000
SO_BINDTODEVICE, SO_MARK, SO_PEERCRED, SO_ATTACH_FILTER, TCP_REPAIR, TCP_ULP = 25, 36, 17, 26, 19, 31


def address(host: str, port: int) -> bytes:
    return struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def _ioctl(sock: socket.socket, request: int, data: bytes) -> str:
    """The error's name, or what the kernel wrote."""
    try:
        return repr(fcntl.ioctl(sock.fileno(), request, data))
    except OSError as error:
        return name_of(error)


def _with_buffer(number: tuple[int, int], sock: socket.socket, data: bytes, *rest: int) -> str:
    buffer = ctypes.create_string_buffer(data, len(data))
    return raw(number[column], sock.fileno(), ctypes.addressof(buffer), *rest)


def _dial_anew(sock: socket.socket, target: bytes) -> dict[str, str]:
    """Dissolve the connection, then connect the same socket to somebody else."""
    nobody = struct.pack("<H", socket.AF_UNSPEC) + bytes(14)
    return {
        "dissolve": _with_buffer(CONNECT, sock, nobody, len(nobody)),
        "dissolve with a short address": _with_buffer(CONNECT, sock, nobody, 2),
        "connect": _with_buffer(CONNECT, sock, target, len(target)),
    }


def _send_to(sock: socket.socket, target: bytes) -> dict[str, str]:
    where = ctypes.create_string_buffer(target, len(target))
    word = ctypes.create_string_buffer(b"x")
    at, length = ctypes.addressof(where), len(target)
    return {
        "sendto": raw(SENDTO[column], sock.fileno(), ctypes.addressof(word), 1, 0, at, length),
        "sendto, fast open": raw(
            SENDTO[column], sock.fileno(), ctypes.addressof(word), 1, MSG_FASTOPEN, at, length
        ),
        "sendmsg, fast open": raw(SENDMSG[column], sock.fileno(), _message(where, word), MSG_FASTOPEN),
        "sendmmsg": raw(SENDMMSG[column], sock.fileno(), _message(where, word), 1, 0),
    }


_alive: list[Any] = []
"""What the kernel reads by address must live as long."""


def _message(where: Any, word: Any) -> int:
    vector = ctypes.create_string_buffer(struct.pack("<QQ", ctypes.addressof(word), 1))
    header = struct.pack(
        "<QIIQQQQIIQ", ctypes.addressof(where), 16, 0, ctypes.addressof(vector), 1, 0, 0, 0, 0, 0
    )
    message = ctypes.create_string_buffer(header)
    _alive.extend([where, word, vector, message])
    return ctypes.addressof(message)


def _option(sock: socket.socket, level: int, name: int, value: bytes) -> Callable[[], object]:
    return lambda: sock.setsockopt(level, name, value)


@attempt
def misuse(job: Job, which: str, host: str, port: int) -> dict[str, str]:
    """Everything that a socket can do but carry the conversation it was given for. The dissolving last."""
    sock, target = job.sockets[which], address(host, port)
    tried = {
        "bind": outcome(lambda: sock.bind("\0here" if sock.family == socket.AF_UNIX else ("0.0.0.0", 0))),
        "listen": outcome(sock.listen),
        "accept": outcome(sock.accept),
        "interfaces": _ioctl(sock, SIOCGIFCONF, struct.pack("QP", 0, 0)),
        "address of eth0": _ioctl(sock, SIOCGIFADDR, b"eth0".ljust(40, b"\0")),
        "name of interface 1": _ioctl(sock, SIOCGIFNAME, bytes(16) + struct.pack("i", 1) + bytes(20)),
        "index of lo": _ioctl(sock, SIOCGIFINDEX, b"lo".ljust(40, b"\0")),
        "add a route": _ioctl(sock, SIOCADDRT, bytes(120)),
        "the network's own descriptor": _ioctl(sock, SIOCGSKNS, b""),
        "neighbours' addresses": _ioctl(sock, SIOCGARP, bytes(68)),
        "ethtool": _ioctl(sock, SIOCETHTOOL, b"lo".ljust(40, b"\0")),
        "another device": outcome(_option(sock, socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")),
        "a mark": outcome(_option(sock, socket.SOL_SOCKET, SO_MARK, struct.pack("i", 1))),
        "repair mode": outcome(_option(sock, socket.IPPROTO_TCP, TCP_REPAIR, struct.pack("i", 1))),
        "another protocol on top": outcome(_option(sock, socket.IPPROTO_TCP, TCP_ULP, b"tls")),
        **_send_to(sock, target),
    }
    return tried | _dial_anew(sock, target)


@attempt
def other_network(job: Job, which: str) -> dict[str, str]:
    """Enter the network that the descriptor is of."""
    return {
        "setns": raw((308, 268)[column], job.sockets[which].fileno(), 0),
        "links": os.readlink(f"/proc/self/fd/{job.sockets[which].fileno()}"),
    }


@attempt
def same_connection(job: Job, answered: bool) -> dict[str, str]:
    """What an executor does, which has to work: speak, and be answered."""
    job.tell_node("hello")
    answer = job.host.recv(1) if answered else b""
    return {"answer": answer.hex(), "sockets": ",".join(sorted(job.sockets))}

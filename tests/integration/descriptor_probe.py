"""Runs inside a container: what can be done with the descriptors that come with a job, as one JSON object.

Only the standard library. Without arguments it stays as it was started; with `own` it first goes under the
executor's own filters, as an executor does; with `dial` it does no more than dial anew. It connects to
`control.sock` where it works, and is handed a TCP connection, a unix one, and where to dial on the side.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import sys
from collections.abc import Callable

UNSPECIFIED = struct.pack("<H14x", socket.AF_UNSPEC)
FAST_OPEN = 0x20000000
DIALLING = ("use it", "dissolve it by a long address", "dial the freed socket")
libc = ctypes.CDLL(None, use_errno=True)


def outcome(act: Callable[[], object]) -> str:
    """The error's name, or `ok`."""
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "ok"


def raw_connect(sock: socket.socket, address: bytes) -> None:
    if libc.connect(sock.fileno(), address, len(address)) != 0:
        raise OSError(ctypes.get_errno(), "connect")


def address_of(where: tuple[str, int]) -> bytes:
    return (
        struct.pack("<H", socket.AF_INET)
        + struct.pack(">H", where[1])
        + socket.inet_aton(where[0])
        + bytes(8)
    )


def many(sock: socket.socket) -> None:
    if libc.sendmmsg(sock.fileno(), bytes(64), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "sendmmsg")


def passed_on(sock: socket.socket, through: socket.socket) -> None:
    socket.send_fds(through, [b"x"], [sock.fileno()])


def reopened(sock: socket.socket) -> None:
    os.close(os.open(f"/proc/self/fd/{sock.fileno()}", os.O_RDWR))


def asked(sock: socket.socket, request: int) -> None:
    fcntl.ioctl(sock.fileno(), request, bytes(40))


def used(sock: socket.socket) -> None:
    """As the connection that it is."""
    sock.sendall(b"ping\n")
    if sock.recv(5) != b"pong\n":
        raise OSError(errno.EBADMSG, "no answer")


def on_tcp(sock: socket.socket, elsewhere: tuple[str, int], through: socket.socket) -> dict[str, str]:
    """In this order: the last ones end the connection, and dial anew what is not connected any more."""
    lines: dict[str, Callable[[], object]] = {
        "use it": lambda: used(sock),
        "dial another address": lambda: raw_connect(sock, address_of(elsewhere)),
        "bind it": lambda: sock.bind(("0.0.0.0", 0)),
        "listen on it": sock.listen,
        "accept from it": sock.accept,
        "who is the peer": sock.getpeername,
        "bind it to an interface": lambda: sock.setsockopt(1, 25, b"lo\0"),
        "repair it": lambda: sock.setsockopt(6, 19, 1),
        "connect it with its first bytes": lambda: sock.setsockopt(6, 30, 1),
        "set a source route": lambda: sock.setsockopt(0, 4, bytes(4)),
        "put another protocol on top": lambda: sock.setsockopt(6, 31, b"tls\0"),
        "read the connection's state": lambda: sock.getsockopt(6, 11, 100),
        "list interfaces": lambda: asked(sock, 0x8912),
        "read an interface's address": lambda: asked(sock, 0x8915),
        "read the neighbours": lambda: asked(sock, 0x8954),
        "add a route": lambda: asked(sock, 0x890B),
        "send out of band": lambda: sock.send(b"x", socket.MSG_OOB),
        "send to an address": lambda: sock.sendto(b"x", elsewhere),
        "send many": lambda: many(sock),
        "open it again": lambda: reopened(sock),
        "pass it on": lambda: passed_on(sock, through),
        "use it still": lambda: used(sock),
        "dissolve it by a long address": lambda: raw_connect(sock, UNSPECIFIED),
        "dissolve it by a short address": lambda: raw_connect(sock, UNSPECIFIED[:2]),
        "dial the freed socket": lambda: raw_connect(sock, address_of(elsewhere)),
        "dial it with a shortened address": lambda: raw_connect(sock, address_of(elsewhere)[:15]),
        "dial it by sending": lambda: sock.sendto(b"x", FAST_OPEN, elsewhere),
        "dial it by a message": lambda: sock.sendmsg([b"x"], [], FAST_OPEN, elsewhere),
        "dial it by an ordinary message": lambda: sock.sendmsg([b"x"], [], 0, elsewhere),
    }
    wanted = DIALLING if "dial" in sys.argv else lines
    return {name: outcome(lines[name]) for name in wanted}


def on_unix(sock: socket.socket, through: socket.socket) -> dict[str, str]:
    """A node's unix socket and the control socket are of the same kind."""
    lines: dict[str, Callable[[], object]] = {
        "use it": lambda: used(sock),
        "connect it anew": lambda: sock.connect("control.sock"),
        "connect it to a long path": lambda: sock.connect("/run/genvm/control.sock"),
        "dissolve it": lambda: raw_connect(sock, UNSPECIFIED[:2]),
        "bind it": lambda: sock.bind("\0x"),
        "listen on it": sock.listen,
        "accept from it": sock.accept,
        "who is the peer": lambda: sock.getsockopt(1, 17, 12),
        "a handle of the peer's process": lambda: sock.getsockopt(1, 77, 4),
        "ask for credentials": lambda: sock.setsockopt(1, 16, 1),
        "open it again": lambda: reopened(sock),
        "pass it on": lambda: passed_on(sock, through),
        "use it still": lambda: used(sock),
    }
    return {name: outcome(act) for name, act in lines.items()}


def main() -> None:
    if "own" in sys.argv:
        from genvm_executor.filters import Filters

        filters = Filters.compiled()
        filters.confine_executor()
        filters.confine_run()
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.connect("control.sock")
    data, (tcp_number, unix_number), _, _ = socket.recv_fds(control, 1000, 2)
    host, port = json.loads(data)
    # Not by `socket(fileno=...)` alone: who asks what it is asks for its address.
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=tcp_number)
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=unix_number)
    left, right = socket.socketpair()
    report = {"unix": on_unix(unix, left), "tcp": on_tcp(tcp, (host, port), left)}
    del right
    control.sendall(json.dumps(report).encode())


if __name__ == "__main__":
    main()

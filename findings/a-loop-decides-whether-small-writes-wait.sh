#!/bin/sh
# uvloop 0.23.0 (PyPI) beside CPython's asyncio: whether two small writes wait for each other is the event loop's choice.
#
# One would expect: asyncio switches Nagle's algorithm off for TCP connections (its documentation says so, for all), and
#   uvloop, which takes its place without a change of the program, does the same.
# What happens: asyncio does so only where the socket says that its protocol is TCP. One that was made without naming it,
#   as `socket.socket(AF_INET)` and `socket.create_server` do, says 0; connected and given to `open_connection(sock=)`, or
#   accepted, it keeps Nagle's algorithm. uvloop switches it off whatever the socket says.
# Why it matters here: an order to a connector and the job behind it are two small writes, and so are a run's output and
#   its result. With the algorithm the second waits 40 ms for a word about the first; whoever measures with uvloop
#   installed sees nothing of that, and who runs without it does. Each socket of ours sets the option itself.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check uvloop==0.23.0
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import platform
import socket

import uvloop

seen = {}


async def dialled(proto):
    """Whether the algorithm is off: on the side that dials with a socket of its own, and on the one that accepts."""
    accepted = asyncio.get_running_loop().create_future()

    async def taken(reader, writer):
        option = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        accepted.set_result(bool(option))

    server = await asyncio.start_server(taken, sock=socket.create_server(("127.0.0.1", 0)))
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, proto)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, server.sockets[0].getsockname())
    reader, writer = await asyncio.open_connection(sock=sock)
    ours = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    theirs = await accepted
    writer.close()
    server.close()
    return bool(ours), theirs


for name, run in (("asyncio", asyncio.run), ("uvloop", uvloop.run)):
    for proto in (0, socket.IPPROTO_TCP):
        seen[name, proto] = run(dialled(proto))
        print(f"{name}, a socket of protocol {proto}: switched off where it dials {seen[name, proto][0]},"
              f" where it was accepted {seen[name, proto][1]}")
print(f"Python {platform.python_version()}, uvloop {uvloop.__version__}")
assert seen == {
    ("asyncio", 0): (False, False),
    ("asyncio", socket.IPPROTO_TCP): (True, False),
    ("uvloop", 0): (True, True),
    ("uvloop", socket.IPPROTO_TCP): (True, True),
}, "one of the two behaves otherwise now"
PYTHON
echo "as described: the same program's small writes wait for each other on one loop, and not on the other"

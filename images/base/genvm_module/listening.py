"""Ending a server of asyncio's without losing who has just connected."""

from __future__ import annotations

import asyncio

# Turns of the loop from an accepted connection to its handler's first step, and some to spare.
TURNS = 8


async def stop_listening(server: asyncio.Server) -> None:
    """Accept nobody any more, give those their handlers who were accepted, and close `server`.

    Closed in the very turn of the loop that accepted a connection, asyncio (Python 3.11) fails to make its
    transport: the handler is never called, and the peer hears nothing until the socket is collected.
    """
    loop = asyncio.get_running_loop()
    for listener in server.sockets:
        loop.remove_reader(listener.fileno())
    for _ in range(TURNS):
        await asyncio.sleep(0)
    server.close()

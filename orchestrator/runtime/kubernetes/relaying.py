"""A run's way to somebody whom only the manager reaches: its bytes, passed on through the Pod's connector.

A run that has such a way ends with its manager, or with the connector: nobody can take over half a stream.
"""

from __future__ import annotations

import socket

from genvm_wire.splicing import splice
from orchestrator.runtime.kubernetes.stream_control import StreamControl


async def relay(near: socket.socket, far: StreamControl) -> None:
    """Pass bytes on between a connected socket and a proved connection until either ends; owns both."""
    first, reader, writer = far.bare()
    await splice(near, reader, writer, first)

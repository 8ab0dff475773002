"""What the connector's door hands over."""

from __future__ import annotations

import asyncio
import socket

from genvm_connector.door import Door
from genvm_connector.identity import fresh_identity
from genvm_connector.link import Link
from genvm_wire.hello import Purpose
from orchestrator.runtime.kubernetes.dialling import client_tls, dial
from orchestrator.tasks import TaskOwner
from tests.kubernetes.kube_connector_pod import TOKEN, listening


async def test_nothing_that_is_said_to_a_manager_is_held_back() -> None:
    """Or a result waits until the manager has acknowledged the frame before it, which takes 40 ms."""
    met: asyncio.Queue[Link] = asyncio.Queue()

    async def meet(purpose: Purpose, number: int | None, link: Link) -> None:
        await met.put(link)

    listener, tasks = await listening(), TaskOwner("test")
    with listener:
        door = Door(listener, await asyncio.to_thread(fresh_identity), lambda *_: TOKEN, meet, 3600.0)
        tasks.spawn("door", door.run())
        address, port = listener.getsockname()
        control = await dial(address, port, TOKEN, client_tls(), patience=3600.0)
        link = await met.get()
        sock: socket.socket = link.writer.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        link.close()
        control.close()
        await tasks.aclose()

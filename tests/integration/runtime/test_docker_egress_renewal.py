"""The packet filter below a running module: one more door, and all of them looked up anew."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, closing

import docker

from orchestrator.runtime.docker import DockerRuntime
from orchestrator.runtime.port import Egress, Role
from tests.engine_bridge import address_on
from tests.integration.modules.test_egress_filter import CLOSED, OPEN, dial
from tests.integration.runtime.runtime_kit import MakeSpec


async def test_a_renewed_filter_lets_out_what_is_named_now_and_nothing_else(
    engine: docker.APIClient, docker_runtime: DockerRuntime, spec: MakeSpec
) -> None:
    machine = address_on(engine)
    with ExitStack() as stack:
        servers = [stack.enter_context(closing(socket.create_server((machine, 0)))) for _ in range(2)]
        first, second = [(machine, int(server.getsockname()[1])) for server in servers]
        module = await docker_runtime.start(spec(role=Role.WEB, egress=Egress(doors=(first,))))

        async def found() -> list[str]:
            return await asyncio.to_thread(dial, engine, module.engine_id, first, second)

        assert await found() == [OPEN, CLOSED]
        await docker_runtime.renew(module, Egress(doors=(second,)))
        assert await found() == [CLOSED, OPEN]
        await docker_runtime.permit(module, *first)
        assert await found() == [OPEN, OPEN]
        await module.destroy()

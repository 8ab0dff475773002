"""A run may not name another manager's socket: what it has said there would be a manager's word."""

from __future__ import annotations

import asyncio

from tests import generation_bodies
from tests.several_managers import Several
from tests.until import until_told


async def test_another_managers_socket_is_refused_soon_after_it_came(site: Several) -> None:
    await asyncio.gather(site.start("one"), site.start("other"))
    for asked, named in (("one", "other"), ("other", "one")):
        host = f"unix://{site.folder}/{named}/api.sock"

        async def refused(asked: str = asked, host: str = host) -> bool:
            body = generation_bodies.encoded("B3", host)
            status, answer = await site.ask(asked, "POST", "/genvm/run", data=body)
            assert status == 200 or "another manager's" in answer["error"], answer
            return status == 403

        await until_told(refused)

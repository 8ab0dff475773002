#!/bin/sh
# aiohttp 3.14.5 (PyPI), the server: an idle connection holds on to the last answer that went over it, with its body.
#
# One would expect: once a client has read an answer to its end, the server has no use for it, and its memory is free.
# What happens: the answer stays referenced by its connection until the next request comes on that connection, or it
#   closes. With a keep-alive of an hour that is an hour.
# Why it matters here: many clients ask for the same few megabytes (`/status`, results) over connections that they keep.
#   Each idle connection would hold the body that was current when it asked, so that large bodies are handed over as a
#   payload of ours that lets go of its parts when they have been written.
set -eu
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiohttp==3.14.5
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import gc
import weakref

import aiohttp
from aiohttp import web

alive = weakref.WeakSet()


async def answer(_):
    made = web.Response(body=bytes(1_000_000))
    alive.add(made)
    return made


def held():
    gc.collect()
    return sum(len(one.body) for one in alive)


async def main():
    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, keepalive_timeout=3600)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    sessions = [aiohttp.ClientSession() for _ in range(3)]
    for session in sessions:
        async with session.get(url) as response:
            assert len(await response.read()) == 1_000_000
    await asyncio.sleep(1)
    idle = held()
    for session in sessions:
        await session.close()
    await asyncio.sleep(1)
    closed = held()
    await runner.cleanup()
    return idle, closed


seen = asyncio.run(main())
print(f"aiohttp {aiohttp.__version__}: bytes held by three idle connections, and once they are closed: {seen}")
assert seen == (3_000_000, 0), "the server behaves otherwise now"
PYTHON
echo "as described: idle connections hold the bodies of answers that were read long ago"

"""The filter at work: a unix socket, a call for a connection, judged and made."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import structlog

from orchestrator.engine_filter import containers
from orchestrator.engine_filter.exchange import LONGEST_HEAD, Call, Refusal, read_call, refusal_bytes
from orchestrator.engine_filter.place import OWN_LABELS, Place
from orchestrator.engine_filter.rules import Order, judged, with_container
from orchestrator.engine_filter.upstream import Upstream

log = structlog.get_logger(__name__)


class EngineFilter:
    """Serves connections; knows nothing from one to the next."""

    def __init__(self, place: Place, engine: Path) -> None:
        self._place = place
        self._engine = Upstream(engine)

    async def serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        try:
            call = await read_call(reader)
            if call is not None:
                await self._engine.relay(await self._cleared(call), reader, writer)
        except Refusal as refusal:
            log.warning("engine_call_refused", status=refusal.status, why=refusal.text[:500])
            with suppress(ConnectionError):
                writer.write(refusal_bytes(refusal))
                await writer.drain()
        except (TimeoutError, ConnectionError):
            pass  # whoever called has gone, or says nothing
        except Exception:
            # A call of a form that nobody thought of goes nowhere, and its caller hears so.
            log.exception("engine_call_not_understood")
            with suppress(ConnectionError):
                writer.write(refusal_bytes(Refusal(400, "the call is not understood")))
                await writer.drain()
        finally:
            writer.close()

    async def _cleared(self, call: Call) -> Call:
        """The call as it is made. Raises Refusal."""
        order = judged(call, self._place)
        if order.directory is not None:
            await asyncio.to_thread(check_directory, order.directory, self._place.state_dir)
        if order.shares is not None:
            _, container = await self._ours(order.shares, call.version)
            return replace(order.call, body=containers.joining(order.call.body, container))
        if order.container is not None:
            return await self._about(order, order.container)
        return order.call

    async def _about(self, order: Order, name: str) -> Call:
        found, container = await self._ours(name, order.call.version)
        if order.starts:
            for source in _sources(found):
                await asyncio.to_thread(check_directory, Path(source), self._place.state_dir)
        return with_container(order.call, name, container)

    async def _ours(self, name: str, version: str) -> tuple[Mapping[str, object], str]:
        """What the engine knows of a container of this product, and its id. Raises Refusal.

        Any other's is as if it had never been.
        """
        found = await self._engine.inspect(name, version)
        config = found.get("Config") if found is not None else None
        labels = config.get("Labels") if isinstance(config, Mapping) else None
        if found is None or not isinstance(labels, Mapping) or not OWN_LABELS & labels.keys():
            raise Refusal(404, f"No such container: {name}")
        return found, str(found["Id"])


def check_directory(path: Path, state_dir: Path) -> None:
    """Raises Refusal when it is no directory below the manager's, or a link leads there. Blocking."""
    for one in (path, *path.parents):
        if one == state_dir:
            return
        try:
            mode = os.lstat(one).st_mode
        except OSError as error:
            raise Refusal(403, f"{path} cannot be looked at: {error.strerror}") from None
        if not stat.S_ISDIR(mode):
            raise Refusal(403, f"{path} leads elsewhere")
    raise Refusal(403, f"{path} is none of the manager's directories")


def _sources(found: Mapping[str, object]) -> list[str]:
    mounts = found.get("Mounts")
    listed = mounts if isinstance(mounts, list) else []
    return [
        str(one.get("Source")) for one in listed if isinstance(one, Mapping) and one.get("Type") == "bind"
    ]


@asynccontextmanager
async def filtered(place: Place, engine: Path, socket: Path) -> AsyncIterator[EngineFilter]:
    """Listen on `socket`, which is its owner's alone, for as long as this lasts.

    Raises OSError with the socket's name.
    """
    served = EngineFilter(place, engine)
    await asyncio.to_thread(socket.unlink, missing_ok=True)
    before = os.umask(0o177)
    try:
        server = await asyncio.start_unix_server(served.serve_one, str(socket), limit=LONGEST_HEAD)
    except OSError as error:
        # The kernel's own has no name, and Python's of a path that is too long not even a number.
        number = error.errno or errno.ENAMETOOLONG
        raise OSError(number, error.strerror or str(error), str(socket)) from error
    finally:
        os.umask(before)
    try:
        yield served
    finally:
        server.close()
        await asyncio.to_thread(socket.unlink, missing_ok=True)

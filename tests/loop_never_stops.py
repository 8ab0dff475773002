"""The loop never stops: while hostile input is served, `/healthz` and modules' pings are answered within a
quarter of a second.

    with watched(manager.address, manager.process.pid) as loop:
        ...  # the hostile input
    assert loop.worst.excess <= LONGEST

or, with the tries that a machine which stands still now and then makes necessary, `never_stops(...)`; for a
module's program, which is started for each try, `module_never_stops(...)`. What is
judged is not the clock alone: a server that does nothing is asked at the same moments, and the time that the
manager's threads wait for a processor is not the manager's. A loop that stands still by its own doing stands
still in every try.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

LONGEST = 0.25
"""Seconds."""
TRIES = 4


@dataclass
class Watched:
    """The worst answer; known when the watch is over. All in seconds but `asked`."""

    excess: float = 0.0
    latency: float = 0.0
    control: float = 0.0
    waited: float = 0.0
    asked: int = 0


@contextmanager
def watched(address: str, pid: int) -> Iterator[Watched]:
    """Ask the manager `pid` at `address` (HOST:PORT, http://…, unix://…, or a path) all the time."""
    where = address.removeprefix("unix://").removeprefix("http://")
    probe = subprocess.Popen(
        [sys.executable, "-m", "tests.loop_probe", where, str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with _seen_by(probe) as result:
        yield result


@contextmanager
def _seen_by(probe: subprocess.Popen[bytes]) -> Iterator[Watched]:
    """What a probe that has been started sees until the end."""
    result = Watched()
    assert probe.stdin is not None and probe.stdout is not None
    try:
        assert probe.stdout.readline() == b"begun\n", "it does not answer at all"
        yield result
        said, _ = probe.communicate()
        result.__dict__.update(json.loads(said))
    finally:
        if probe.poll() is None:
            probe.kill()
            probe.communicate()


@contextmanager
def watched_module(
    program: str, config: dict[str, Any], sessions: int
) -> Iterator[tuple[Watched, list[socket.socket]]]:
    """Ping the module `python -m program` all the time; with sessions of it for the hostile input."""
    ours, theirs = socket.socketpair()
    with ExitStack() as held:
        folder = held.enter_context(TemporaryDirectory(prefix="genvm-"))
        path = f"{folder}/control.sock"
        held.enter_context(ours)
        with theirs:
            arguments = [path, str(sessions), str(theirs.fileno()), json.dumps(config)]
            probe = subprocess.Popen(
                [sys.executable, "-m", "tests.ping_probe", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
            )
        assert probe.stdin is not None and probe.stdout is not None
        assert probe.stdout.readline() == b"listening\n"
        module = subprocess.Popen(
            [sys.executable, "-m", program],
            env={**os.environ, "GENVM_CONTROL": path},
            stderr=subprocess.DEVNULL,
        )
        held.callback(module.wait)
        held.callback(module.kill)
        probe.stdin.write(f"{module.pid}\n".encode())
        probe.stdin.flush()
        with _seen_by(probe) as result:
            yield result, [held.enter_context(_received(ours)) for _ in range(sessions)]


def _received(ours: socket.socket) -> socket.socket:
    _, (fd,), _, _ = socket.recv_fds(ours, 1, 1)
    return socket.socket(fileno=fd)


async def never_stops(address: str, pid: int, hostile: Callable[[], Awaitable[object]]) -> Watched:
    """Serve the hostile input until the loop has been seen to go on. A failure tells how it stood still."""

    async def once() -> Watched:
        with watched(address, pid) as loop:
            await hostile()
        return loop

    return await _goes_on(once)


async def module_never_stops(
    program: str,
    config: dict[str, Any],
    sessions: int,
    hostile: Callable[[list[socket.socket]], Awaitable[object]],
) -> Watched:
    """The same for a module's program and its pings; the hostile input has sessions of the module."""

    async def once() -> Watched:
        watching = watched_module(program, config, sessions)
        loop, opened = await asyncio.to_thread(watching.__enter__)
        try:
            await hostile(opened)
        finally:
            await asyncio.to_thread(watching.__exit__, None, None, None)
        return loop

    return await _goes_on(once)


async def _goes_on(once: Callable[[], Awaitable[Watched]]) -> Watched:
    seen = []
    for _ in range(TRIES):
        loop = await once()
        if loop.excess <= LONGEST and loop.asked:
            return loop
        seen.append(loop)
        await asyncio.sleep(0)
    raise AssertionError(f"the loop stood still, each time: {seen}")

"""What a manager tells an instance's watchdog, and to whom."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.runtime import watch_line
from orchestrator.runtime.rendezvous import WATCH_NAME, InstanceDirectories
from orchestrator.runtime.watch_line import NEVER, WORD, WatchLine

BOUND = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "instances" / "one" / WATCH_NAME


@pytest.fixture
async def line(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WatchLine]:
    monkeypatch.setattr(watch_line, "PAUSE_S", 0.0)
    directories = InstanceDirectories(tmp_path)
    (await asyncio.to_thread(directories.listen, "one")).close()
    made = WatchLine(await asyncio.to_thread(directories.relisten, "one", WATCH_NAME))
    yield made
    made.close()


class Watchdog:
    """The other end."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.sock.setblocking(False)

    async def hear(self) -> list[int]:
        """The words that come next; none at the end."""
        async with asyncio.timeout(BOUND):
            data = await asyncio.get_running_loop().sock_recv(self.sock, 4096)
        return [word for (word,) in WORD.iter_unpack(data)]


@pytest.fixture
def connect(path: Path) -> Iterator[Callable[[], Watchdog]]:
    made: list[Watchdog] = []

    def one() -> Watchdog:
        made.append(Watchdog(path))
        return made[-1]

    yield one
    for each in made:
        each.sock.close()


Connect = Callable[[], Watchdog]


async def test_a_deadline_told_before_anybody_listens_is_told_to_the_first(
    line: WatchLine, connect: Connect
) -> None:
    line.tell(10.0)
    (told,) = await connect().hear()
    assert 0 < told <= 10_000


async def test_each_word_is_told_at_once_and_the_newest_connection_counts(
    line: WatchLine, connect: Connect
) -> None:
    line.tell(None)
    first = connect()
    assert await first.hear() == [NEVER]
    second = connect()
    assert await second.hear() == [NEVER]
    assert await first.hear() == []
    line.tell(0.0)
    assert await second.hear() == [0]


async def test_a_word_to_a_watchdog_that_has_gone_is_kept_for_the_next(
    line: WatchLine, connect: Connect
) -> None:
    line.tell(None)
    first = connect()
    await first.hear()
    first.sock.close()
    line.tell(0.0)
    assert await connect().hear() == [0]


async def test_closing_hangs_up_and_listens_no_more(line: WatchLine, connect: Connect, path: Path) -> None:
    line.tell(None)
    only = connect()
    await only.hear()
    line.close()
    line.close()
    assert await only.hear() == []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as late:
        assert late.connect_ex(str(path)) == errno.ECONNREFUSED

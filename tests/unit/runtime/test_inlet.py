"""One connection is let in for an instance, and no other."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from genvm_wire.inlet import WORD, Inlet
from tests.until import until

BOUND = 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "n"


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(path))
        made.listen(4)
        yield made


def dial(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock


async def heard(line: socket.socket) -> tuple[bytes, list[int]]:
    """What comes on the line of an inlet."""
    async with asyncio.timeout(BOUND):
        said, descriptors, _, _ = await asyncio.to_thread(socket.recv_fds, line, 16, 4)
    return said, descriptors


async def until_it_ends(line: socket.socket) -> None:
    """Its end, behind whatever was said."""
    while (await heard(line))[0]:
        pass


async def test_the_first_that_dials_is_handed_over_and_nobody_else_gets_in(
    listener: socket.socket, path: Path
) -> None:
    inlet = Inlet(listener)
    with inlet.line as line, dial(path) as program:
        word, (handed,) = await heard(line)
        with socket.socket(fileno=handed) as other, pytest.raises(ConnectionRefusedError):
            program.sendall(b"asks")
            assert other.recv(16) == b"asks"
            dial(path)
        assert word == WORD
        assert await heard(line) == (b"", [])
    inlet.close()


async def test_who_waited_behind_the_first_is_hung_up_on(listener: socket.socket, path: Path) -> None:
    with dial(path), dial(path) as second:
        inlet = Inlet(listener)
        with inlet.line as line:
            _, (handed,) = await heard(line)
            socket.socket(fileno=handed).close()
            await until_it_ends(line)
            with pytest.raises(ConnectionResetError):
                second.recv(1)


async def test_nobody_is_let_in_whom_nobody_waits_for_any_more(listener: socket.socket, path: Path) -> None:
    Inlet(listener).line.close()
    await until(lambda: listener.fileno() < 0)
    with pytest.raises(ConnectionRefusedError):
        dial(path)


async def test_one_that_is_closed_ends_its_line_without_a_word(listener: socket.socket) -> None:
    inlet = Inlet(listener)
    with inlet.line as line:
        inlet.close()
        inlet.close()
        assert await heard(line) == (b"", [])


class Full(socket.socket):
    """Of a process that may open no more files."""

    def accept(self) -> tuple[socket.socket, object]:
        raise OSError(errno.EMFILE, "Too many open files")


async def test_without_a_descriptor_for_it_the_line_ends(listener: socket.socket, path: Path) -> None:
    inlet = Inlet(Full(fileno=listener.detach()))
    with inlet.line as line, dial(path):
        assert await heard(line) == (b"", [])

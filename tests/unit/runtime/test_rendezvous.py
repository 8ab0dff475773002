"""Instance directories and the sockets in them."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.runtime.control import SocketControl
from orchestrator.runtime.port import ChannelClosed, EngineRefused
from orchestrator.runtime.rendezvous import PAUSE_S, InstanceDirectories, Rendezvous, check_name


@pytest.fixture
def directories(tmp_path: Path) -> InstanceDirectories:
    return InstanceDirectories(tmp_path)


@pytest.fixture
async def meeting(directories: InstanceDirectories) -> AsyncIterator[Rendezvous]:
    rendezvous = Rendezvous(await asyncio.to_thread(directories.listen, "one"))
    yield rendezvous
    rendezvous.close()


def dial(directories: InstanceDirectories, name: str = "one") -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(str(directories.path / name / "control.sock"))
    return peer


async def taken(rendezvous: Rendezvous) -> SocketControl:
    await rendezvous.arrival()
    control = rendezvous.take()
    assert control is not None
    return control


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_manager_enters_the_root_and_anybody_mounted_inside_uses_the_socket(
    directories: InstanceDirectories,
) -> None:
    directories.listen("one").close()
    assert mode(directories.path) == 0o700
    assert mode(directories.path / "one") == 0o711
    assert mode(directories.path / "one" / "control.sock") == 0o666


def test_a_state_directory_deeper_than_a_socket_path_may_be_works(tmp_path: Path) -> None:
    deep = InstanceDirectories(tmp_path / ("d" * 120))
    deep.listen("one").close()
    assert (deep.path / "one" / "control.sock").is_socket()


def test_an_existing_directory_is_refused_and_stays(directories: InstanceDirectories) -> None:
    directories.listen("one").close()
    with pytest.raises(EngineRefused, match="exists"):
        directories.listen("one")
    assert directories.names() == ["one"]


def test_a_root_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "instances").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineRefused):
        InstanceDirectories(tmp_path).listen("one")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_removal_follows_no_symbolic_link(directories: InstanceDirectories, tmp_path: Path) -> None:
    directories.listen("one").close()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (directories.path / "one" / "link").symlink_to(precious)
    directories.remove("one")
    assert (precious / "file").exists()
    assert directories.names() == []


def test_removal_may_be_repeated(directories: InstanceDirectories) -> None:
    directories.remove("never")
    directories.listen("one").close()
    directories.remove("one")
    directories.remove("one")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "x" * 101, "a\n", "é"])
def test_a_name_that_could_lead_elsewhere_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="instance name"):
        check_name(name)


async def test_a_connection_is_handed_out_once(meeting: Rendezvous, directories: InstanceDirectories) -> None:
    with dial(directories):
        first = await taken(meeting)
        assert meeting.take() is None
        with dial(directories):
            second = await taken(meeting)
            assert first.closed
            assert not second.closed


async def test_of_several_connections_the_newest_counts(
    meeting: Rendezvous, directories: InstanceDirectories
) -> None:
    with dial(directories) as older, dial(directories):
        control = await taken(meeting)
        assert older.recv(1) == b""
        assert not control.closed


async def test_closing_ends_connections_and_waiters(
    meeting: Rendezvous, directories: InstanceDirectories
) -> None:
    with dial(directories) as peer:
        await taken(meeting)
        waiting = asyncio.create_task(taken(meeting))
        await asyncio.sleep(0)
        meeting.close()
        with pytest.raises(ChannelClosed):
            await waiting
        assert peer.recv(1) == b""


async def test_a_new_manager_listens_where_the_earlier_one_did(directories: InstanceDirectories) -> None:
    (await asyncio.to_thread(directories.listen, "one")).close()
    later = Rendezvous(await asyncio.to_thread(directories.relisten, "one"))
    with dial(directories):
        assert not (await taken(later)).closed
    later.close()


def test_there_is_nothing_to_listen_on_again_without_a_directory(directories: InstanceDirectories) -> None:
    with pytest.raises(EngineRefused):
        directories.relisten("one")


async def test_a_connect_loop_gets_a_few_connections_a_second(
    meeting: Rendezvous, directories: InstanceDirectories
) -> None:
    loop = asyncio.get_running_loop()
    begun, dialled = loop.time(), 0

    def dial_and_leave() -> None:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        with suppress(BlockingIOError):
            peer.connect(str(directories.path / "one" / "control.sock"))
        peer.close()

    while meeting.accepted < 4:
        dial_and_leave()
        dialled += 1
        await asyncio.sleep(0)
    # Never more than the pauses between them allow, however long it took.
    assert meeting.accepted - 1 <= (loop.time() - begun) / PAUSE_S
    assert dialled > 100


async def test_of_those_that_come_together_the_newest_counts(
    meeting: Rendezvous, directories: InstanceDirectories
) -> None:
    peers = [dial(directories) for _ in range(5)]
    peers[-1].send(b"\x01\0\0\0\0")
    control = await taken(meeting)
    assert meeting.accepted == 1
    for peer in peers[:-1]:
        assert await asyncio.to_thread(peer.recv, 1) == b""
        peer.close()
    assert not control.closed
    peers[-1].close()


def test_a_place_of_instances_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """As another user's answers, whoever runs this."""
    directories = InstanceDirectories(tmp_path / "state")
    assert directories.names() == []
    directories.path.parent.mkdir(parents=True, exist_ok=True)
    directories.path.write_text("")
    with pytest.raises(EngineRefused, match="set GENVM_STATE_DIR"):
        directories.names()

"""Looking at nodes and connecting to them: to what was judged, off the loop, within a time."""

from __future__ import annotations

import asyncio
import gc
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from blockbuster import BlockBuster

from orchestrator.executions import dialling
from orchestrator.executions.claims import TcpPlace
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.hosts import HostRefused, HostUnreachable
from orchestrator.executions.node_files import WAITING, Identity, MayWait
from orchestrator.executions.node_names import MOST_ADDRESSES, MOST_LOOKS, RESOLVING_THREADS
from orchestrator.executions.node_networks import NetworkRules
from orchestrator.executions.node_seen import NodeSeen
from orchestrator.executions.node_sockets import SocketRules
from tests.until import until

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="genvm-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
async def nodes(folder: Path) -> AsyncIterator[NodeDialler]:
    dialler = NodeDialler(SocketRules((str(folder),)), NetworkRules(LOOPBACK))
    yield dialler
    dialler.close()


@pytest.fixture
def listener(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.bind(str(folder / "host"))
        one.listen(1)
        one.setblocking(False)
        yield one


@pytest.fixture
def internet_listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.setblocking(False)
        yield one


async def is_there(nodes: NodeDialler, host: str) -> bool:
    seen = await nodes.look(host)
    seen.close()
    return seen.there


async def test_a_node_that_listens_is_there_and_sees_nobody(
    nodes: NodeDialler, listener: socket.socket, folder: Path
) -> None:
    assert await is_there(nodes, f"unix://{folder}/host")
    with pytest.raises(BlockingIOError):
        listener.accept()


async def test_a_node_whose_queue_is_full_is_there_and_is_waited_for(
    nodes: NodeDialler, listener: socket.socket, folder: Path
) -> None:
    with ExitStack() as held:
        full = False
        while not full:
            one = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            one.setblocking(False)
            try:
                one.connect(str(folder / "host"))
            except BlockingIOError:
                full = True
        assert await is_there(nodes, f"unix://{folder}/host")
        with pytest.raises(HostUnreachable, match="did not accept within"):
            await nodes.connect(f"unix://{folder}/host", 0.05)
        connecting = asyncio.create_task(nodes.connect(f"unix://{folder}/host", 60))
        await asyncio.sleep(0)
        held.enter_context(listener.accept()[0])
        held.enter_context(await connecting)


async def test_a_node_whose_socket_is_closed_or_removed_has_gone(
    nodes: NodeDialler, listener: socket.socket, folder: Path
) -> None:
    path = folder / "host"
    listener.close()
    assert not await is_there(nodes, f"unix://{path}")
    path.unlink()
    assert not await is_there(nodes, f"unix://{path}")
    assert not await is_there(nodes, f"unix://{path}/below")
    (folder / "file").write_text("")
    assert not await is_there(nodes, f"unix://{folder}/file")


async def test_who_listens_at_a_distance_is_not_known(nodes: NodeDialler) -> None:
    assert await is_there(nodes, "127.0.0.1:1")
    assert await is_there(nodes, "some-name:1")


async def test_hello_is_the_first_thing_a_node_hears(
    nodes: NodeDialler, listener: socket.socket, folder: Path
) -> None:
    with await nodes.connect(f"unix://{folder}/host", 10, b"hello"), listener.accept()[0] as heard:
        heard.setblocking(True)
        assert heard.recv(5) == b"hello"


@pytest.mark.parametrize("text", ["127.0.0.1:{}", "tcp://127.0.0.1:{}", "127.1:{}", "::ffff:127.0.0.1:{}"])
async def test_internet_nodes_are_reached(
    nodes: NodeDialler, internet_listener: socket.socket, text: str
) -> None:
    port = internet_listener.getsockname()[1]
    with await nodes.connect(text.format(port), 10), internet_listener.accept()[0]:
        pass


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[Any]:
    """Each resolution gives the next answer: a name server that changes its mind."""
    asked: list[Any] = []
    left = list(answers)

    def getaddrinfo(name: Any, port: int, **_: Any) -> list[Any]:
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in left.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


async def test_a_name_is_resolved_once_and_what_was_judged_is_dialled(
    nodes: NodeDialler, internet_listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving_to(monkeypatch, ["169.254.169.254", "127.0.0.1"], ["169.254.169.254"])
    port = internet_listener.getsockname()[1]
    with await nodes.connect(f"node:{port}", 10) as connection, internet_listener.accept()[0]:
        assert connection.getpeername() == ("127.0.0.1", port)
    assert asked == [b"node"]
    with pytest.raises(HostRefused, match=r"169\.254\.169\.254"):
        await nodes.connect(f"node:{port}", 10)


async def test_a_look_refuses_a_name_that_leads_to_refused_addresses_alone(
    nodes: NodeDialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving_to(monkeypatch, ["169.254.169.254", "10.0.0.1"], ["169.254.169.254", "127.0.0.1"], [])
    for _ in range(2):
        with pytest.raises(HostRefused, match=r"bad:1 \(10\.0\.0\.1\)"):
            await nodes.look("bad:1")
    assert await is_there(nodes, "mixed:1")
    assert await is_there(nodes, "nobody:1")
    assert asked == [b"bad", b"mixed", b"nobody"], "what was just asked is not asked again"


async def test_a_look_claims_a_names_places_and_one_of_them_is_enough(
    nodes: NodeDialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving_to(monkeypatch, ["127.0.0.1"])
    claimed: list[object] = []
    await nodes.look("node:4000", claimed.append)
    assert claimed == [TcpPlace("", 4000)]

    def taken(_: object) -> None:
        raise HostRefused("not available now")

    with pytest.raises(HostRefused, match="not available"):
        await nodes.look("node:4000", taken)


async def test_of_a_name_with_very_many_addresses_the_first_are_looked_at(
    nodes: NodeDialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"127.0.{n // 256}.{n % 256}" for n in range(4000)]
    resolving_to(monkeypatch, many, many)
    claimed: list[object] = []
    await nodes.look("many:4000", claimed.append)
    assert len(claimed) == MOST_ADDRESSES
    found = await nodes.places("many:4000", 60)
    assert found is not None
    assert len(found.addresses) == MOST_ADDRESSES


async def test_names_that_were_looked_at_are_not_remembered_without_end(
    nodes: NodeDialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolving_to(monkeypatch, *[["127.0.0.1"]] * (2 * MOST_LOOKS))
    for n in range(2 * MOST_LOOKS - 1):
        assert await is_there(nodes, f"name{n}:1")
    assert await is_there(nodes, "name0:1")
    assert asked.count(b"name0") == 2


async def test_a_name_that_cannot_be_resolved_is_an_unreachable_node(
    nodes: NodeDialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise UnicodeError("label too long")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(HostUnreachable, match="label too long"):
        await nodes.connect("node:1", 10)


async def test_slow_names_hold_up_nobody_else(
    nodes: NodeDialler, internet_listener: socket.socket, listener: socket.socket, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    answered = threading.Event()

    def slow(*_: Any, **__: Any) -> Any:
        answered.wait()
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    waiting = [asyncio.create_task(nodes.connect(f"slow{n}:1", 60)) for n in range(3 * RESOLVING_THREADS)]
    looking = [asyncio.create_task(is_there(nodes, f"slow{n}:1")) for n in range(2 * MOST_LOOKS)]
    try:
        await asyncio.sleep(0)
        port = internet_listener.getsockname()[1]
        with await nodes.connect(f"127.0.0.1:{port}", 60), internet_listener.accept()[0]:
            pass
        (await nodes.connect(f"unix://{folder}/host", 60)).close()
        with pytest.raises(HostUnreachable, match="did not accept within"):
            await nodes.connect("one-more:1", 0.05)
        # Who is only looked at is let pass meanwhile: its dial judges it.
        assert all(await asyncio.gather(*looking))
        assert await is_there(nodes, "one-more:1")
        assert not answered.is_set()
    finally:
        answered.set()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in ended} == {HostUnreachable}


@pytest.fixture
def unanswered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which names were asked that get no answer; `node` is here."""
    asked: list[str] = []
    over = threading.Event()

    def getaddrinfo(name: bytes, port: int, **_: Any) -> list[Any]:
        if name != b"node":
            asked.append(name.decode())
            over.wait()
            raise OSError("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield asked
    over.set()


async def left(*waiting: asyncio.Task[Any]) -> None:
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_few_slow_names_hold_up_no_other_name(
    nodes: NodeDialler, internet_listener: socket.socket, unanswered: list[str]
) -> None:
    waiting = [asyncio.create_task(nodes.connect(f"slow{n}:1", 60)) for n in range(32)]
    await asyncio.sleep(0)
    (await nodes.connect(f"node:{internet_listener.getsockname()[1]}", 10)).close()
    await left(*waiting)


async def test_a_slow_name_holds_one_thread_however_many_runs_name_it(
    nodes: NodeDialler, internet_listener: socket.socket, unanswered: list[str]
) -> None:
    """Also when those who asked first have left."""
    port = internet_listener.getsockname()[1]
    for _ in range(2):
        waiting = [asyncio.create_task(nodes.connect("slow:1", 60)) for _ in range(2 * RESOLVING_THREADS)]
        await asyncio.sleep(0)
        (await nodes.connect(f"node:{port}", 10)).close()
        await left(*waiting)
    assert unanswered == ["slow"]


async def test_a_name_that_nobody_waits_for_any_more_fails_in_silence(
    nodes: NodeDialler, monkeypatch: pytest.MonkeyPatch
) -> None:
    defects: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))
    asked, over = threading.Event(), threading.Event()

    def getaddrinfo(*_: Any, **__: Any) -> Any:
        asked.set()
        over.wait()
        raise OSError("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    waiting = asyncio.create_task(nodes.connect("slow:1", 60))
    await asyncio.to_thread(asked.wait)
    await left(waiting)
    del waiting
    over.set()

    await until(lambda: not nodes._names._questions)
    gc.collect()
    assert defects == []


async def test_waking_never_dials_what_is_refused(
    listener: socket.socket, internet_listener: socket.socket, folder: Path
) -> None:
    strict = NodeDialler(SocketRules(()), NetworkRules(()))
    await strict.wake(f"unix://{folder}/host")
    await strict.wake(f"127.0.0.1:{internet_listener.getsockname()[1]}")
    await strict.wake("no form")
    strict.close()
    for one in (listener, internet_listener):
        with pytest.raises(BlockingIOError):
            one.accept()


class ForThreads:
    """A file system that may make wait."""

    def open(self, path: str) -> int:
        raise MayWait

    def identity(self, path: str) -> Identity | None:
        raise MayWait

    def real(self, path: str) -> str:
        raise MayWait


@pytest.fixture
def prompt(nodes: NodeDialler, folder: Path, no_blocking_on_the_loop: BlockBuster) -> Iterator[NodeDialler]:
    """Without threads, and with files that answer at once, as the kernel's memory does."""
    no_blocking_on_the_loop.functions["os.stat"].deactivate()
    dialler = NodeDialler(SocketRules((str(folder),)), nodes.networks, WAITING)
    dialler.close()
    yield dialler
    no_blocking_on_the_loop.functions["os.stat"].activate()


@pytest.fixture
def rebound(listener: socket.socket, folder: Path) -> Iterator[socket.socket]:
    """The path leads to another listener now."""
    (folder / "host").unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as another:
        another.bind(str(folder / "host"))
        another.listen(1)
        another.setblocking(False)
        yield another


@pytest.fixture
async def seen(prompt: NodeDialler, listener: socket.socket, folder: Path) -> AsyncIterator[NodeSeen]:
    found = await prompt.look(f"unix://{folder}/host")
    yield found
    found.close()


async def test_the_very_socket_that_was_looked_at_is_dialled(
    nodes: NodeDialler, seen: NodeSeen, rebound: socket.socket, listener: socket.socket, folder: Path
) -> None:
    """Without a thread: there is none any more that could ask a file system."""
    nodes.close()
    with await nodes.connect(f"unix://{folder}/host", 10, b"hello", seen=seen), listener.accept()[0] as heard:
        heard.setblocking(True)
        assert heard.recv(5) == b"hello"
    with pytest.raises(BlockingIOError):
        rebound.accept()


async def test_a_node_that_bound_its_socket_anew_is_dialled_there(
    nodes: NodeDialler, seen: NodeSeen, rebound: socket.socket, listener: socket.socket, folder: Path
) -> None:
    listener.close()
    with await nodes.connect(f"unix://{folder}/host", 10, seen=seen):
        rebound.accept()[0].close()


async def test_what_was_let_go_is_looked_for_again(
    nodes: NodeDialler, seen: NodeSeen, listener: socket.socket, folder: Path
) -> None:
    assert seen.held is not None
    seen.close()
    with pytest.raises(FileNotFoundError):
        _ = seen.held.address
    with await nodes.connect(f"unix://{folder}/host", 10, seen=seen):
        listener.accept()[0].close()


async def test_a_node_is_looked_at_without_a_thread(
    prompt: NodeDialler, listener: socket.socket, folder: Path
) -> None:
    assert await is_there(prompt, f"unix://{folder}/host")


async def test_a_file_system_that_may_make_wait_is_asked_by_threads_alone(
    nodes: NodeDialler, listener: socket.socket, folder: Path
) -> None:
    slow = NodeDialler(SocketRules((str(folder),)), nodes.networks, ForThreads())
    found = await slow.look(f"unix://{folder}/host")
    slow.close()
    assert found.there
    assert found.held is None


async def test_what_is_missing_is_looked_for_by_a_thread(nodes: NodeDialler, folder: Path) -> None:
    """Where it would be takes more looks."""
    both = NodeDialler(SocketRules((str(folder),)), nodes.networks, WAITING)
    assert not await is_there(both, f"unix://{folder}/host")
    both.close()


async def test_somebody_else_is_told_where_to_dial_what_was_judged(nodes: NodeDialler) -> None:
    seen: list[object] = []
    found = await nodes.places("tcp://127.1:4000", 60, b"hello", seen.append)
    assert found is not None
    assert (found.addresses, found.hello, found.seconds) == ((("127.0.0.1", 4000),), b"hello", 60)
    assert len(seen) == 1
    with pytest.raises(HostRefused):
        await nodes.places("tcp://10.0.0.1:4000", 60)


async def test_nobody_else_can_dial_a_socket_file(nodes: NodeDialler, folder: Path) -> None:
    assert await nodes.places(f"unix://{folder}/none", 60) is None


async def test_a_port_that_nobody_listens_at_is_not_answered_by_the_connection_itself(
    nodes: NodeDialler, internet_listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may take for a connection's own port the very one that is dialled: here it always does."""
    port = internet_listener.getsockname()[1]
    internet_listener.close()
    made, dialled = dialling._new_socket, []

    def at_the_same_port(family: int) -> socket.socket:
        connection = made(family)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("127.0.0.1", port))
        dialled.append(connection)
        return connection

    monkeypatch.setattr(dialling, "_new_socket", at_the_same_port)
    with pytest.raises(HostUnreachable):
        await nodes.connect(f"127.0.0.1:{port}", 0.05)
    assert dialled

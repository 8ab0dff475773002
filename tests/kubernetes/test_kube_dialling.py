"""A Pod's connector is dialled, and both sides prove that they have the instance's token."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from genvm_module.listening import stop_listening
from genvm_wire import calldata
from genvm_wire.hello import Meeting, Purpose, Side
from genvm_wire.instance_messages import Cancel, Exit, Ready, Result, from_instance, to_instance
from orchestrator.runtime.kubernetes.dialling import LONGEST_RETRY_S, RETRY_S, client_tls, dial
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.port import ChannelClosed, ProtocolBroken
from orchestrator.tasks import cancel_and_wait
from tests.kubernetes.kube_bench import Pauses
from tests.kubernetes.kube_connector import Connector, fresh_identity

TOKEN, OTHER = "5e" * 32, "6f" * 32
EXPECTED = {
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 10,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
}
MEETING = Meeting(Purpose.CONTROL, 7, b"c" * 32, b"m" * 32, b"f" * 32)


@pytest.fixture
async def connector() -> AsyncIterator[Connector]:
    one = Connector(TOKEN)
    yield one
    await one.aclose()


async def dialled(connector: Connector, token: str = TOKEN) -> StreamControl:
    return await dial(
        "127.0.0.1", connector.port, token, client_tls(), number=7, patience=3600.0, pause=Pauses()
    )


async def pair(connector: Connector) -> tuple[StreamControl, StreamControl]:
    """The manager's end and the connector's."""
    await connector.listen()
    ours = await dialled(connector)
    connector.closes(ours)
    _, theirs = await connector.proved.get()
    return ours, theirs


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1", socket.AF_INET), ("fd00::1", socket.AF_INET6)])
async def test_small_writes_do_not_wait_for_each_other_and_a_vanished_node_is_noticed(
    monkeypatch: pytest.MonkeyPatch, address: str, family: socket.AddressFamily
) -> None:
    """On whichever event loop: asyncio sees to the first for sockets of its own only."""
    seen: list[tuple[int, ...]] = []

    async def connect(sock: socket.socket, _: object) -> None:
        options = (sock.getsockopt(level, option) for level, option in EXPECTED)
        seen.append((sock.family, *options))
        raise ProtocolBroken("that will do")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", connect)
    with pytest.raises(ProtocolBroken):
        await dial(address, 8443, TOKEN, client_tls())
    assert seen == [(family, *EXPECTED.values())]


def test_a_proof_is_over_all_that_both_know() -> None:
    said = calldata.encode(["manager", "control", 7, b"c" * 32, b"m" * 32, b"f" * 32])
    assert MEETING.proof(Side.MANAGER, TOKEN) == hmac.new(b"\x5e" * 32, said, hashlib.sha256).digest()


@pytest.mark.parametrize(
    "other",
    [
        replace(MEETING, purpose=Purpose.RELAY),
        replace(MEETING, number=8),
        replace(MEETING, number=None),
        replace(MEETING, connectors_nonce=b"x" * 32),
        replace(MEETING, managers_nonce=b"x" * 32),
        replace(MEETING, fingerprint=b"x" * 32),
    ],
)
def test_a_proof_is_good_for_one_meeting(other: Meeting) -> None:
    assert not other.is_proof(Side.MANAGER, TOKEN, MEETING.proof(Side.MANAGER, TOKEN))


@pytest.mark.parametrize("proof", [None, b"", "text", MEETING.proof(Side.MANAGER, TOKEN)])
def test_no_other_thing_is_a_proof_nor_the_other_sides(proof: object) -> None:
    assert not MEETING.is_proof(Side.CONNECTOR, TOKEN, proof)


async def test_both_talk_once_both_are_proved(connector: Connector) -> None:
    ours, theirs = await pair(connector)
    assert ours.quiet()
    await theirs.send(Ready("x"))
    assert await ours.receive(from_instance) == Ready("x")
    await ours.send(Cancel(7))
    assert await theirs.receive(to_instance) == Cancel(7)
    result = Result(7, 0, bytes(1_000_000), True, {})
    sending = asyncio.ensure_future(theirs.send(result))
    assert await ours.receive(from_instance) == result
    await sending
    ours.close()
    with pytest.raises(ChannelClosed):
        await theirs.receive(to_instance)


async def test_a_connector_that_does_not_listen_yet_is_waited_for(connector: Connector) -> None:
    pauses = Pauses()
    dialling = asyncio.ensure_future(
        dial("127.0.0.1", connector.port, TOKEN, client_tls(), patience=3600.0, pause=pauses)
    )
    await pauses.until(12)
    await connector.listen()
    (await dialling).close()
    # More and more rarely: each try costs the manager something.
    assert pauses.made == sorted(pauses.made)
    assert (pauses.made[0], pauses.made[11]) == (RETRY_S, LONGEST_RETRY_S)


async def test_a_manager_without_the_token_gets_nothing(connector: Connector) -> None:
    await connector.listen()
    dialling = asyncio.ensure_future(dialled(connector, OTHER))
    await connector.refused.acquire()
    await connector.refused.acquire()
    await cancel_and_wait(dialling)
    assert connector.proved.empty()


async def test_who_is_not_the_connector_is_not_talked_to(connector: Connector) -> None:
    connector.honest = False
    await connector.listen()
    with pytest.raises(ProtocolBroken, match="not its connector"):
        await dialled(connector)


async def test_who_sits_between_two_connections_proves_nothing_with_either(connector: Connector) -> None:
    """It passes on all that both say, and could read it if they went on."""
    await connector.listen()
    between = fresh_identity()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", connector.port, ssl=client_tls())

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(4096):
                sink.write(data)
            sink.transport.abort()

        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(copy(reader, back))
                both.create_task(copy(there, writer))
        except* OSError:
            pass
        finally:
            back.transport.abort()
            writer.transport.abort()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=between.context)
    port = server.sockets[0].getsockname()[1]
    dialling = asyncio.ensure_future(
        dial("127.0.0.1", port, TOKEN, client_tls(), patience=3600.0, pause=Pauses())
    )
    await connector.refused.acquire()
    await cancel_and_wait(dialling)
    await stop_listening(server)
    await server.wait_closed()
    assert connector.proved.empty()


@pytest.mark.parametrize(
    ("sent", "failure"),
    [
        (struct.pack("<I", 5) + b"\x00", ChannelClosed),
        (struct.pack("<I", 2**31), ProtocolBroken),
        (struct.pack("<I", 3) + b"abc", ProtocolBroken),
    ],
)
async def test_what_is_no_frame_ends_the_channel(
    connector: Connector, sent: bytes, failure: type[Exception]
) -> None:
    ours, theirs = await pair(connector)
    theirs._writer.write(sent)
    theirs._writer.close()
    with pytest.raises(failure):
        await ours.receive(from_instance)
    with pytest.raises(ChannelClosed):
        await ours.send(Cancel(7))


async def test_a_kind_that_only_managers_send_is_forbidden(connector: Connector) -> None:
    ours, theirs = await pair(connector)
    await theirs.send(Cancel(7))
    with pytest.raises(ProtocolBroken, match="unknown message kind"):
        await ours.receive(from_instance)


async def test_a_receive_that_is_cancelled_loses_nothing(connector: Connector) -> None:
    ours, theirs = await pair(connector)
    waiting = asyncio.ensure_future(ours.receive(from_instance))
    await asyncio.sleep(0)
    await cancel_and_wait(waiting)
    await theirs.send(Ready("x", served=1))
    assert await ours.receive(from_instance) == Ready("x", served=1)


async def test_no_descriptor_goes_over_it(connector: Connector) -> None:
    ours, _ = await pair(connector)
    with pytest.raises(ValueError, match="descriptor"):
        await ours.send(Exit(), [0])

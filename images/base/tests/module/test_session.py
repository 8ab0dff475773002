"""Sessions over transport S (modules 1.4, 1.6, 1.7 and behaviours 1–8 of section 7)."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from genvm_module.contract import Caller, Conversation, Terms
from genvm_module.hello import HelloUnusable, read_hello, require_identity
from genvm_module.serving import USER_ERROR_ANSWER
from genvm_module.session import LAST_WORD_SECONDS, ServedSession, Tally
from genvm_module.streams import StreamBroken
from genvm_wire.calldata import Encodable, decode, encode
from tests.until import turn_until

from .parrot import ParrotTalk
from .peers import HOST_DATA, Peer, framed, framed_pair, hang_up, hello, raw_frame


class Served:
    """A session with a parrot, and the peer that talks to it."""

    def __init__(
        self, peer: Peer, session: ServedSession, task: asyncio.Task[None], talks: list[ParrotTalk]
    ) -> None:
        self.peer, self.session, self.task, self._talks = peer, session, task, talks

    @property
    def talk(self) -> ParrotTalk:
        return self._talks[0]


@asynccontextmanager
async def parrot(limit: int = 1 << 20, deadline: float | None = None) -> AsyncIterator[Served]:
    peer, stream = await framed_pair(limit)
    talks: list[ParrotTalk] = []

    def meet(body: bytes) -> Conversation:
        caller = read_hello(body)
        require_identity(caller.host_data)
        talks.append(ParrotTalk(caller, Terms("S", deadline)))
        return talks[-1]

    session = ServedSession(stream, meet, Tally(), deadline)
    task = asyncio.ensure_future(session.serve())
    try:
        yield Served(peer, session, task, talks)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await session.close()
        await peer.close()


async def test_hello_and_the_first_request_may_come_in_one_write_and_hello_has_no_answer() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("one"))
        assert await served.peer.receive() == {"Ok": "one"}
        assert await served.peer.ask("two") == {"Ok": "two"}


async def test_frames_split_at_every_byte_border_decode_alike() -> None:
    data = hello() + framed({"a": [1, b"\x00"]})
    for cut in range(1, len(data)):
        async with parrot() as served:
            served.peer.send(data[:cut])
            await served.peer.writer.drain()
            await asyncio.sleep(0)
            served.peer.send(data[cut:])
            assert await served.peer.receive() == {"Ok": {"a": [1, b"\x00"]}}


@pytest.mark.parametrize("rest", [b"", b"\x00", b"\x00\x00\x00"], ids=["at a border", "1 byte", "3 bytes"])
async def test_an_end_before_a_whole_length_is_clean(rest: bytes) -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("x"))
        await served.peer.receive()
        served.peer.send(rest)
        await served.peer.close()
        await served.task
        await served.session.close()
        assert served.talk.closed


async def test_an_end_inside_a_body_is_not() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("whole request")[:-1])
        await served.peer.close()
        with pytest.raises(StreamBroken, match="inside a message"):
            await served.task


async def test_a_length_over_the_limit_ends_the_stream_before_the_body_is_read() -> None:
    async with parrot(limit=100) as served:
        served.peer.send(hello()[:4] + encode({"host_data": HOST_DATA}).ljust(len(hello()) - 4))
        served.peer.send(struct.pack(">I", 0xFFFFFFFF))
        with pytest.raises((StreamBroken, HelloUnusable)):
            await served.task


async def test_no_memory_is_taken_for_an_announced_length() -> None:
    peer, stream = await framed_pair(limit=1024)
    peer.send(struct.pack(">I", 1025))
    with pytest.raises(StreamBroken, match="1025 bytes is over the limit of 1024"):
        await stream.receive()
    await stream.close()
    await peer.close()


@pytest.mark.parametrize(
    "body", [b"", b"\x07", b"\x0c\xff", b"\x01\x01"], ids=["empty", "type", "utf8", "trailing"]
)
async def test_an_undecodable_request_is_fatal_and_the_next_one_still_works(body: bytes) -> None:
    async with parrot() as served:
        served.peer.send(hello() + raw_frame(body))
        answer = await served.peer.receive()
        assert isinstance(answer, dict)
        assert "REQUEST_MALFORMED" in str(answer["FatalError"])
        assert await served.peer.ask("next") == {"Ok": "next"}


async def test_a_fatal_error_names_its_causes_outermost_first() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("fatal"))
        answer = await served.peer.receive()
        assert answer == {
            "FatalError": '{"causes":["OUTER","SENDING_REQUEST"],"fatal":true,"ctx":{"url":"http://u"}}'
        }


async def test_an_observation_has_exactly_causes_and_ctx_and_no_fractions() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("observe"))
        assert await served.peer.receive() == {
            "UserError": {"causes": ["WEBPAGE_LOAD_FAILED"], "ctx": {"status": 404, "share": "0.5"}}
        }


@pytest.mark.parametrize("request_name", ["bug", "fraction"])
async def test_what_nobody_foresaw_is_fatal_and_tells_no_detail(request_name: str) -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed(request_name))
        answer = await served.peer.receive()
        assert isinstance(answer, dict)
        assert "detail" not in str(answer["FatalError"])
        assert await served.peer.ask("next") == {"Ok": "next"}


async def test_work_for_a_caller_that_has_gone_is_cancelled() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("wait"))
        await turn_until(lambda: served.session.busy)
        await served.talk.waiting.wait()
        await served.peer.close()
        await served.talk.cancelled.wait()
        await served.task
        assert served.session.tally.abandoned == 1


async def test_a_request_sent_ahead_is_kept_while_the_one_before_is_answered() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("wait") + framed("after"))
        await turn_until(lambda: served.session.busy)
        await served.talk.waiting.wait()
        served.talk.go_on.set()
        assert await served.peer.receive() == {"Ok": "waited"}
        assert await served.peer.receive() == {"Ok": "after"}


async def test_the_deadline_answers_the_request_under_way_and_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The loop's clock stands still until the test puts it on: the two moments cannot fall together.
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    async with parrot(deadline=now + 60) as served:
        served.peer.send(hello() + framed("wait"))
        await turn_until(lambda: served.session.busy)
        await served.talk.waiting.wait()
        now += 60 - LAST_WORD_SECONDS / 2
        answer = await served.peer.receive()
        assert isinstance(answer, dict)
        assert "DEADLINE" in str(answer["FatalError"])
        assert not served.task.done()
        now += LAST_WORD_SECONDS
        await served.task
        assert served.talk.cancelled.is_set()


async def test_statistics_are_answered_and_are_no_call() -> None:
    async with parrot() as served:
        served.peer.send(hello() + framed("GetStats"))
        assert await served.peer.receive() == {
            "Ok": {"scripting": {"requests_count": 2, "requests_time": 30}}
        }


async def test_user_error_mode_answers_anything_with_the_same_and_reads_no_hello() -> None:
    peer, stream = await framed_pair()
    fixed: Mapping[str, Encodable] = USER_ERROR_ANSWER
    session = ServedSession(stream, lambda _: fixed, Tally())
    task = asyncio.ensure_future(session.serve())
    peer.send(raw_frame(b"no hello at all"))
    requests: list[Encodable] = ["GetStats", {"Prompt": {}}, {"Render": []}]
    for request in requests:
        peer.send(framed(request))
        assert await peer.receive() == {"UserError": {"causes": ["MODULE_USER_ERROR"], "ctx": {}}}
    await hang_up(session, peer, task)


@pytest.mark.parametrize(
    ("said", "run"),
    [
        ({"cookie": "c1", "host_data": HOST_DATA}, None),
        ({"genvm_id": 7, "host_data": HOST_DATA, "something": "new"}, 7),
        (
            {"genvm_id": 7, "role": "Validator", "host_data": HOST_DATA, "gas_data": {"genPerTimeUnit": "5"}},
            7,
        ),
    ],
    ids=["W1", "W3 and an unknown key", "S2"],
)
def test_hello_of_every_generation(said: Encodable, run: int | None) -> None:
    caller = read_hello(encode(said))
    assert (caller.run, caller.host_data) == (run, HOST_DATA)


@pytest.mark.parametrize(
    "body",
    [b"\xff", encode([1]), encode({"genvm_id": "7", "host_data": HOST_DATA}), encode({"gas_data": [1]})],
    ids=["not calldata", "not a map", "run is text", "gas_data is a list"],
)
def test_hello_that_makes_no_sense(body: bytes) -> None:
    with pytest.raises(HelloUnusable):
        read_hello(body)


def test_a_caller_without_identity() -> None:
    with pytest.raises(HelloUnusable, match="tx_id"):
        require_identity({"node_address": "0x01", "tx_id": 3})


def test_host_data_is_in_no_repr() -> None:
    assert "0x01" not in repr(Caller(1, None, decode(encode(HOST_DATA))))  # type: ignore[arg-type]

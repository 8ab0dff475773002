"""Frames for the manager socket's conversation: each is answered once, as the page says, and nothing grows.

The manager is a whole one. Its runs find no node and end, or find one and wait for an instance that never
comes, until somebody ends them.
"""

from __future__ import annotations

import asyncio
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

from genvm_wire.calldata import Encodable, decode, encode
from orchestrator.access.caller import ANYBODY
from orchestrator.api.context import CONTEXT
from orchestrator.api.large_answers import LARGE_ANSWERS
from orchestrator.api.socket.conversation import DEFECT, Conversation, Served
from orchestrator.composition import Manager, manager
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import EndOrder
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.process import ProcessInstance, ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings
from tests.fuzz import values
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.generation_bodies import fields
from tests.until import until

ERROR, HELLO, EVENT, RUN, ATTACH, CANCEL, ACK, GET_ARTIFACT = range(8)
CLIENT_METHODS = range(RUN, GET_ARTIFACT + 1)
MALFORMED, UNKNOWN_METHOD, BAD_REQUEST_ID = 1, 2, 5
HEADER = struct.Struct(">HQ")
BOOT_ID = 7
# A conversation is replaced now and then, as clients connect again; memory is looked at after the first.
ROUND = 20_000
# Runs that are asked for when a round is over and all have ended.
LATEST = 50


class NeverStarting(ProcessRuntime):
    async def start(self, spec: InstanceSpec) -> ProcessInstance:
        await asyncio.Event().wait()
        raise AssertionError(f"{spec.name} is started")


def request(chance: random.Random, newest: int, node: str) -> tuple[int, Any]:
    """A valid request's method and payload; `newest` is the id of the run that was started last."""
    run_id = chance.choice((newest, newest, chance.randrange(newest + 2), chance.randrange(2**64)))
    method = chance.choice(CLIENT_METHODS)
    match method:
        case 3:
            named: dict[str, Any] = (
                {} if chance.random() < 0.5 else {"host_genvm_id": f"tx-{chance.randrange(50)}"}
            )
            host = chance.choice((node, "unix:///nowhere/sock"))
            return method, {"run": fields("C", host, **named)}
        case 4:
            return method, {"attach": {"boot_id": chance.choice((BOOT_ID, 8)), "genvm_id": run_id}}
        case 5:
            return method, {"cancel": {"genvm_id": run_id}}
        case 6:
            return method, {"ack": {"genvm_id": run_id}}
        case _:
            name = chance.choice(("stdout", "stderr", "genvm_log", "result"))
            offset = chance.choice((0, 5, 2**64 - 1))
            asked: dict[str, Encodable] = {"genvm_id": run_id, "field": name, "offset": offset, "max_len": 9}
            return method, {"get_artifact": asked}


def message(chance: random.Random, newest: int, node: str) -> bytes:
    """Noise, requests that fit nothing, and requests that were valid once. `node` listens."""
    request_id = chance.choice((0, 1, 2**64 - 1, chance.randrange(2**64)))
    luck = chance.random()
    if luck < 0.2:
        return chance.randbytes(chance.randrange(64))
    if luck < 0.35:
        return HEADER.pack(chance.randrange(10), request_id) + encode(values.value(chance))
    method, payload = request(chance, newest, node)
    if luck < 0.6:
        return HEADER.pack(method, request_id) + encode(values.replaced(chance, payload))
    whole = HEADER.pack(method, request_id or 1) + encode(payload)
    return whole if luck < 0.7 else values.spoiled(chance, whole)


def refused_by_header(sent: bytes) -> tuple[int, int] | None:
    """Error code and request id that the page's order of checks gives; None when the payload decides."""
    if len(sent) < HEADER.size:
        return MALFORMED, 0
    method, request_id = HEADER.unpack_from(sent)
    if method > GET_ARTIFACT:
        return UNKNOWN_METHOD, request_id
    if request_id == 0:
        return BAD_REQUEST_ID, 0
    return None if method in CLIENT_METHODS else (UNKNOWN_METHOD, request_id)


def check(sent: bytes, answer: bytes) -> str:
    """What kind of answer it is. Raises Broken."""
    method, request_id = HEADER.unpack_from(answer)
    payload: Any = decode(answer[HEADER.size :])
    expected = refused_by_header(sent)
    if method == ERROR:
        code, text = payload["code"], payload["message"]
        if text == str(DEFECT) or set(payload) != {"code", "message"} or not 0 <= code <= 6:
            raise Broken(f"{sent.hex()} is answered {payload}")
        if expected is not None and expected != (code, request_id):
            raise Broken(f"{sent.hex()} is answered {payload} for {request_id}, not {expected}")
    elif expected is not None or method != HEADER.unpack_from(sent)[0]:
        raise Broken(f"{sent.hex()} is answered by method {method}")
    if expected is None and request_id != HEADER.unpack_from(sent)[1]:
        raise Broken(f"{sent.hex()} is answered with id {request_id}")
    return f"error {payload['code']}" if method == ERROR else f"method {method}"


def started(answer: bytes) -> int:
    """The id of the run that the answer tells of, 0 if it tells of none."""
    if HEADER.unpack_from(answer)[0] != RUN:
        return 0
    payload: Any = decode(answer[HEADER.size :])
    return int(payload["genvm_id"])


async def answered(conversation: Conversation, sent: bytes) -> bytes:
    """The one answer; events of runs are passed over."""
    await conversation.take(sent)
    while (frame := await conversation.next_frame()) is not None:
        if HEADER.unpack_from(frame)[0] != EVENT:
            return frame
    raise Broken(f"{sent.hex()} is not answered")


async def feed(running: Manager, inputs: int, seed: int, node: str) -> Report:
    """Put that many frames into conversations of a running manager. Raises Broken."""
    chance = random.Random(seed)
    served = Served(running.executions, running.app[CONTEXT].rules, BOOT_ID, running.app[LARGE_ANSWERS])
    report, first, newest = Report(), 0, 0
    while report.inputs < inputs:
        conversation = Conversation(served, ANYBODY)
        assert HEADER.unpack_from(await conversation.next_frame() or b"")[0] == HELLO
        for _ in range(min(ROUND, inputs - report.inputs)):
            sent = message(chance, newest, node)
            answer = await answered(conversation, sent)
            report.answers[check(sent, answer)] += 1
            newest = max(newest, started(answer))
            report.inputs += 1
        if conversation.waiting > 1000:
            raise Broken(f"{conversation.waiting} frames wait")
        await end_all(running)
        for run_id in range(max(1, newest - LATEST), newest + 1):
            for sent in afterwards(run_id):
                report.answers[check(sent, await answered(conversation, sent))] += 1
        conversation.close()
        first = first or resident_bytes()
    report.check_growth(first)
    return report


def afterwards(run_id: int) -> list[bytes]:
    """All that a client asks about a run that has ended."""
    asked: dict[str, Encodable] = {"genvm_id": run_id, "field": "stdout", "offset": 0, "max_len": 9}
    payloads: dict[int, Encodable] = {
        ATTACH: {"attach": {"boot_id": BOOT_ID, "genvm_id": run_id}},
        GET_ARTIFACT: {"get_artifact": asked},
        ACK: {"ack": {"genvm_id": run_id}},
    }
    return [HEADER.pack(method, 1) + encode(payload) for method, payload in payloads.items()]


async def end_all(running: Manager) -> None:
    for run in running.executions.live():
        run.order_end(EndOrder(Cause.CANCELLED, 0))
    # A run's task ends after the run: what is left behind is what never ends.
    await until(lambda: not running.executions.live() and not running.executions.statistics().supervised)


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first input that is not answered as it should be."""
    with tempfile.TemporaryDirectory(prefix="genvm-fuzz-") as folder:
        settings = Settings(
            runtime=RuntimeName.PROCESS,
            # Not where the node is: a socket in there is the manager's own.
            state_dir=Path(folder) / "state",
            pool_size=0,
            permits=64,
            retained_runs=500,
        )

        async def no_runtime(_: Settings, manager_id: str) -> ProcessRuntime:
            return NeverStarting(ProcessSettings(manager_id, settings.state_dir, {}))

        node = Path(folder) / "node"
        async with (
            await asyncio.start_unix_server(lambda _, writer: writer.close(), node),
            manager(settings, no_runtime) as running,
        ):
            # Clients wait for it as well: at the edge, which this goes round.
            await running.recovered()
            report = await feed(running, inputs, seed, f"unix://{node}")
            statistics = running.executions.statistics()
            if statistics.permits.in_use or statistics.supervised:
                raise Broken(f"left behind: {statistics}")
    return report

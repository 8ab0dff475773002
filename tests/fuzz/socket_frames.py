"""Frames for the manager socket's conversation: each is answered once, as the page says, and nothing grows.

The manager is a whole one; its runs find no node, so that no instance is ever started.
"""

from __future__ import annotations

import asyncio
import random
import struct
import tempfile
from pathlib import Path
from typing import Any

from genvm_wire.calldata import decode, encode
from orchestrator.api.context import CONTEXT
from orchestrator.api.socket.conversation import DEFECT, Conversation, Served
from orchestrator.composition import Manager, manager
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.settings import RuntimeName, Settings
from tests.fuzz import values
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.generation_bodies import fields

ERROR, HELLO, EVENT, RUN, ATTACH, CANCEL, ACK, GET_ARTIFACT = range(8)
CLIENT_METHODS = range(RUN, GET_ARTIFACT + 1)
MALFORMED, UNKNOWN_METHOD, BAD_REQUEST_ID = 1, 2, 5
HEADER = struct.Struct(">HQ")
BOOT_ID = 7
# A conversation is replaced now and then, as clients connect again; memory is looked at after the first.
ROUND = 20_000


def request(chance: random.Random, newest: int) -> tuple[int, Any]:
    """A valid request's method and payload; `newest` is the id of the run that was started last."""
    run_id = chance.choice((newest, newest, chance.randrange(newest + 2), chance.randrange(2**64)))
    method = chance.choice(CLIENT_METHODS)
    match method:
        case 3:
            named = {} if chance.random() < 0.5 else {"host_genvm_id": f"tx-{chance.randrange(50)}"}
            return method, {"run": fields("C", "unix:///nowhere/sock", **named)}
        case 4:
            return method, {"attach": {"boot_id": chance.choice((BOOT_ID, 8)), "genvm_id": run_id}}
        case 5:
            return method, {"cancel": {"genvm_id": run_id}}
        case 6:
            return method, {"ack": {"genvm_id": run_id}}
        case _:
            name = chance.choice(("stdout", "stderr", "genvm_log", "result"))
            offset = chance.choice((0, 5, 2**64 - 1))
            asked = {"genvm_id": run_id, "field": name, "offset": offset, "max_len": 9}
            return method, {"get_artifact": asked}


def message(chance: random.Random, newest: int) -> bytes:
    """Noise, requests that fit nothing, and requests that were valid once."""
    request_id = chance.choice((0, 1, 2**64 - 1, chance.randrange(2**64)))
    luck = chance.random()
    if luck < 0.2:
        return chance.randbytes(chance.randrange(64))
    if luck < 0.35:
        return HEADER.pack(chance.randrange(10), request_id) + encode(values.value(chance))
    method, payload = request(chance, newest)
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


async def feed(running: Manager, inputs: int, seed: int) -> Report:
    """Put that many frames into conversations of a running manager. Raises Broken."""
    chance = random.Random(seed)
    served = Served(running.executions, running.app[CONTEXT].rules, BOOT_ID)
    report, first, newest = Report(), 0, 0
    while report.inputs < inputs:
        conversation = Conversation(served)
        assert HEADER.unpack_from(await conversation.next_frame() or b"")[0] == HELLO
        for _ in range(min(ROUND, inputs - report.inputs)):
            sent = message(chance, newest)
            answer = await answered(conversation, sent)
            report.answers[check(sent, answer)] += 1
            newest = max(newest, started(answer))
            report.inputs += 1
        if conversation.waiting > 1000:
            raise Broken(f"{conversation.waiting} frames wait")
        conversation.close()
        first = first or resident_bytes()
    report.check_growth(first)
    # A run's task ends after the run: what is left behind is what never ends.
    while running.executions.live() or running.executions.statistics().supervised:
        await asyncio.sleep(0.01)
    return report


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first input that is not answered as it should be."""
    with tempfile.TemporaryDirectory(prefix="genvm-fuzz-") as folder:
        settings = Settings(
            runtime=RuntimeName.PROCESS, state_dir=Path(folder), pool_size=0, permits=64, retained_runs=500
        )

        async def no_runtime(_: Settings, manager_id: str) -> ProcessRuntime:
            return ProcessRuntime(ProcessSettings(manager_id, settings.state_dir, {}))

        async with manager(settings, no_runtime) as running:
            report = await feed(running, inputs, seed)
            statistics = running.executions.statistics()
            if statistics.permits.in_use or statistics.supervised:
                raise Broken(f"left behind: {statistics}")
    return report

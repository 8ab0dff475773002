"""Bodies of `POST /genvm/run` of every generation, most of them spoiled: taken, or refused with a reason.

Every body goes the way that a run goes until it is written down and handed over; one in a hundred is sent to
a whole manager over HTTP. The runs find no node, so that no instance is ever started.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, UnixConnector

from genvm_wire.calldata import encode
from orchestrator.api.body import BadBody, BodyTooLarge, WrongShape
from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.composition import manager
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.hosts import BadHostAddress, HostRefused
from orchestrator.executions.job import JobLimits, job_message
from orchestrator.executions.plain import moment
from orchestrator.executions.request import RunRequest
from orchestrator.executions.written import request_from, request_map
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import Settings
from tests.fuzz import values
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.fuzz.stalls import in_time
from tests.generation_bodies import GENERATIONS, encoded, fields
from tests.until import until

ROUND = 20_000
OVER_HTTP = 100
HOST = "unix:///nowhere/sock"
RULES = RunRules()
LIMITS = JobLimits(deadline_ms=1, grace_ms=1, output_limit=1, log_limit=1)
VERSION = ExecutorVersion("v0.3.0", Number(0, 3, 0), moment(0), "image", "T9n", "v0.3")
DEFECT = "internal error of the manager"
REFUSALS = (BadBody, BodyTooLarge, WrongShape, BadHostAddress, HostRefused)


def body(chance: random.Random) -> bytes:
    """Noise, values that fit nothing, and bodies that were valid once."""
    luck = chance.random()
    if luck < 0.1:
        return chance.randbytes(chance.randrange(64))
    if luck < 0.2:
        return encode(values.value(chance))
    generation = chance.choice(GENERATIONS)
    if luck < 0.3:
        return encoded(generation, HOST)
    if luck < 0.65:
        return values.spoiled(chance, encoded(generation, HOST))
    changed = values.replaced(chance, fields(generation, HOST))
    if generation == "A":
        return json.dumps(changed, default=repr).encode("utf-8", "replace")
    return encode(changed)


def taken(raw: bytes) -> str:
    """What becomes of a body. Raises whatever it should not."""
    try:
        wanted = received(raw).shaped().run_request(RULES)
    except REFUSALS as refusal:
        if not str(refusal):
            raise Broken(f"{raw.hex()} is refused without a reason") from None
        return type(refusal).__name__
    kept(wanted)
    return "taken"


def kept(wanted: RunRequest) -> None:
    """What is written down gives the same run again, and what is handed over can be sent."""
    if request_from(encode(request_map(wanted)), wanted.idempotency_key) != wanted:
        raise Broken(f"{wanted} is not what was written down")
    encode(job_message(1, wanted, VERSION, LIMITS).as_map())


def shown(raw: bytes) -> str:
    try:
        return in_time(lambda: taken(raw), raw.hex)
    except Exception as defect:
        raise Broken(f"{raw.hex()}: {defect!r}") from defect


async def sent(session: ClientSession, raw: bytes) -> str:
    async with session.post("/genvm/run", data=raw) as response:
        answer: Any = await response.json()
        fine = answer.get("result") == "started" if response.status == 200 else list(answer) == ["error"]
        if response.status not in {200, 400, 403, 413, 500, 503} or not fine or DEFECT in str(answer):
            raise Broken(f"{raw.hex()} is answered {response.status} {answer}")
        return f"http {response.status}"


async def feed(session: ClientSession, inputs: int, seed: int) -> Report:
    """Raises Broken."""
    chance = random.Random(seed)
    report, first = Report(), 0
    while report.inputs < inputs:
        raw = body(chance)
        report.answers[shown(raw)] += 1
        report.inputs += 1
        if report.inputs % OVER_HTTP == 0:
            report.answers[await sent(session, raw)] += 1
        if report.inputs == min(ROUND, inputs):
            first = resident_bytes()
    report.check_growth(first)
    return report


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first body that is neither taken nor refused as it should be."""
    with tempfile.TemporaryDirectory(prefix="genvm-fuzz-") as name:
        folder = Path(name)
        settings = Settings(
            runtime=RuntimeName.PROCESS,
            state_dir=folder / "state",
            socket=folder / "api.sock",
            pool_size=0,
            permits=64,
            retained_runs=500,
        )

        async def no_runtime(_: Settings, manager_id: str) -> ProcessRuntime:
            return ProcessRuntime(ProcessSettings(manager_id, settings.state_dir, {}))

        async with (
            manager(settings, no_runtime) as running,
            listening(running),
            ClientSession("http://m", connector=UnixConnector(str(settings.socket))) as session,
        ):
            report = await feed(session, inputs, seed)
            # A run's task ends after the run: what is left behind is what never ends.
            await until(
                lambda: not running.executions.live() and not running.executions.statistics().supervised
            )
            statistics = running.executions.statistics()
            if statistics.permits.in_use or statistics.supervised:
                raise Broken(f"left behind: {statistics}")
    return report

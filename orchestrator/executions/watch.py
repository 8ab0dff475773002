"""Following an instance: to its readiness, and from its job to its outcome's evidence."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

import structlog

from genvm_wire.calldata import Value
from orchestrator.executions.misuse import Misuse
from orchestrator.executions.persistence import persistently
from orchestrator.executions.reader import read_report
from orchestrator.executions.run import Run
from orchestrator.executions.state import Cause
from orchestrator.executions.verdict import FailureReport, Report
from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    Instance,
    InstanceDied,
    InstanceExit,
    ProtocolBroken,
    RuntimeFailure,
)
from orchestrator.tasks import cancel_and_wait

log = structlog.get_logger(__name__)

# Seconds: for frames that an ended instance had already sent, and for an instance that leaves by itself.
DRAIN_TIME = 1.0
EXIT_TIME = 1.0
# Seconds that an engine under load may take to say how an instance ended.
ENGINE_TIME = 10.0

READY = "ready"
RESUME = "resume"


@dataclass(slots=True)
class Holding:
    """What a run holds outside the manager, to be let go whatever happens."""

    instance: Instance | None = None
    control: Control | None = None
    promise: Value = None
    """What the instance promised with its `ready`: the hash of what the next one proves itself by."""
    stray: bool = False
    """An earlier manager may have left an instance of this run, and nobody has looked for it yet."""


Message = dict[str, Value]


async def first_word(
    instance: Instance, seconds: float, expected: tuple[str, ...]
) -> tuple[Control, Message]:
    """The instance's next connection, and the message of one of the kinds `expected` that it says on it.

    Raises InstanceDied, ProtocolBroken.
    """
    try:
        async with asyncio.timeout(seconds):
            control = await instance.connect()
            try:
                message = await control.receive()
                if (kind := message.get("kind")) not in expected:
                    raise ProtocolBroken(f"expected {' or '.join(expected)}, got {str(kind)[:40]!r}")
            except BaseException:
                control.close()
                raise
            return control, message
    except TimeoutError:
        raise InstanceDied(f"not {expected[0]} within {seconds:g} s") from None
    except ChannelClosed:
        raise InstanceDied("the instance ended before it said anything") from None


async def watch(run: Run, held: Holding) -> tuple[Report | None, InstanceExit | None]:
    """Follow a running instance until it reports, ends, or is killed at the end of its grace."""
    assert held.instance is not None
    instance = held.instance
    reading = asyncio.create_task(_read(run, held), name=f"run-{run.id}:read")
    exiting = asyncio.create_task(instance.wait_exit(), name=f"run-{run.id}:exit")
    killing = asyncio.create_task(_kill_at_end(run, instance), name=f"run-{run.id}:kill")
    try:
        await asyncio.wait([reading, exiting], return_when=asyncio.FIRST_COMPLETED)
        # What an ended instance had already sent is still in the channel.
        await asyncio.wait([reading], timeout=DRAIN_TIME)
        report = _report(reading)
        return report, await known_exit(instance) if report is None else None
    finally:
        await cancel_and_wait(killing, exiting, reading)


async def known_exit(instance: Instance | None, seconds: float = ENGINE_TIME) -> InstanceExit | None:
    """How the instance ended, if the engine says so in time."""
    if instance is None:
        return None
    with suppress(TimeoutError, RuntimeFailure):
        async with asyncio.timeout(seconds):
            return await instance.wait_exit()
    return None


async def acknowledge(run: Run, held: Holding) -> Message | None:
    """The outcome is safe: the executor may leave, and is given a moment to do it by itself.

    One that serves several runs says `ready` instead: that message, when it is the word of the process that
    forks. A run that has broken out could say it, too, but cannot keep what that one has promised.
    """
    assert held.control is not None
    with suppress(RuntimeFailure, TimeoutError):
        async with asyncio.timeout(EXIT_TIME):
            await held.control.send({"kind": "ack", "run": run.id})
            while True:
                message = await held.control.receive()
                if message.get("kind") == READY:
                    if _keeps(held.promise, message):
                        return message
                    run.misuse.add(Misuse.FALSE_READY)
                    return None
    return None


def _keeps(promise: Value, message: Message) -> bool:
    """An instance that promised nothing is an older one's."""
    proof = message.get("proof")
    if promise is None:
        return True
    kept = isinstance(proof, bytes) and sha256(proof).digest() == promise
    if not kept:
        log.warning("run_said_ready_itself", consequence="its instance is destroyed")
    return kept


async def _read(run: Run, held: Holding) -> Report:
    """Read to the report; a channel that broke is replaced when the instance connects again."""
    assert held.instance is not None and held.control is not None
    forwarding = asyncio.create_task(_forward_end(run, held), name=f"run-{run.id}:end")
    try:
        while True:
            try:
                return await read_report(run, held.control)
            except ChannelClosed:
                held.control.close()
                # How often it was is in the line about the run's end.
                if run.reconnects == 0:
                    log.warning("channel_broke")
                run.reconnects += 1
                held.control = await held.instance.connect()
                if run.end.done():
                    await _cancel(run, held.control)
    finally:
        await cancel_and_wait(forwarding)


async def _forward_end(run: Run, held: Holding) -> None:
    """Tell the executor that its run is to end; one that does not listen is killed after its grace."""
    await asyncio.shield(run.end)
    assert held.control is not None
    await _cancel(run, held.control)


async def _cancel(run: Run, control: Control) -> None:
    with suppress(ChannelClosed):
        await control.send({"kind": "cancel", "run": run.id})


async def _kill_at_end(run: Run, instance: Instance) -> None:
    await asyncio.shield(run.kill_now)
    run.misuse.add(Misuse.KILLED)
    log.info("run_killed", cause=run.end.result().cause)
    async for attempt in persistently(RuntimeFailure):
        with attempt:
            await instance.kill()


def _report(reading: asyncio.Task[Report]) -> Report | None:
    """What the executor said; a broken protocol is a report of its own kind."""
    if not reading.done() or reading.cancelled():
        return None
    failure = reading.exception()
    if failure is None:
        return reading.result()
    if isinstance(failure, ProtocolBroken):
        return FailureReport(Cause.PROTOCOL, str(failure))
    if isinstance(failure, RuntimeFailure):
        return None
    raise failure

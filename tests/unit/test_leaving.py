"""The end of a process that nothing holds up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from orchestrator import leaving
from orchestrator.leaving import OrderToStop, closed

STUCK = """
import asyncio, sys, threading
from orchestrator import event_loop
from orchestrator import leaving
leaving.CLOSING_TIME = leaving.THREADS_TIME = 0.01
never = threading.Event().wait
"""


def ended(program: str, number: int | None = None) -> tuple[int, str]:
    """The exit code of a program that says `ready`, and is sent a signal then, and what else it says."""
    command = [sys.executable, "-c", STUCK + program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if number is not None:
            process.send_signal(number)
        said, _ = process.communicate()
        return process.returncode, said


LOOP_WITH_A_STUCK_THREAD = """
async def work():
    running = asyncio.ensure_future(asyncio.to_thread(never))
    await asyncio.sleep(0)
    running.cancel()
event_loop.run(work())
"""


@pytest.mark.parametrize("code", [0, 3])
def test_a_thread_that_waits_for_ever_holds_up_no_end(code: int) -> None:
    rest = f"leaving.end_soon({code})\nprint('ready', flush=True)\nsys.exit({code})"
    assert ended(LOOP_WITH_A_STUCK_THREAD + rest) == (code, "")


MANAGER = """
async def work():
    order = leaving.OrderToStop(0.01)
    order.listen()
    print("ready", flush=True)
    await order.given.wait()
    {then}
event_loop.run(work())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
@pytest.mark.parametrize(
    ("then", "code", "said"),
    [
        ("await asyncio.Event().wait()", 1, "ended_by_force"),
        ("threading.Event().wait()", 1, "ended_by_force"),
        ("order.obeyed(); never()", 0, ""),
    ],
    ids=["a task", "the loop", "a thread when all is closed"],
)
def test_an_order_is_obeyed_in_time_whatever_waits(
    number: signal.Signals, then: str, code: int, said: str
) -> None:
    found, text = ended(MANAGER.format(then=then), number)
    assert (found, said in text) == (code, True)


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM,) * 2,
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
        (signal.SIGINT,) * 2,
    ],
    ids=["terminate twice", "interrupt, terminate", "terminate, interrupt", "interrupt twice"],
)
async def test_an_order_given_twice_is_one_order(
    numbers: tuple[signal.Signals, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is interrupted in a terminal is often also told so by who started it."""
    ends = list[int]()
    monkeypatch.setattr(leaving, "_later", lambda *_: None)
    monkeypatch.setattr(os, "_exit", ends.append)
    monkeypatch.setattr(leaving, "SAME_ORDER", 3600.0)
    order = OrderToStop(3600.0)
    for number in numbers:
        order._by_signal(number)
    assert order.given.is_set()
    assert not ends
    monkeypatch.setattr(leaving, "SAME_ORDER", 0.0)
    for _ in range(2):
        order._by_signal(signal.SIGINT)
    assert 128 + signal.SIGINT in ends


@pytest.mark.parametrize(
    ("orders", "ends"),
    [
        ([(signal.SIGINT, 0.0), (signal.SIGINT, 0.4), (signal.SIGINT, 0.8), (signal.SIGINT, 1.2)], 1),
        ([(signal.SIGTERM, 0.0), (signal.SIGINT, 9.0), (signal.SIGINT, 9.4)], 0),
        ([(signal.SIGINT, 0.0), (signal.SIGTERM, 9.0)], 0),
    ],
    ids=["again and again", "terminated long before", "interrupted long before"],
)
async def test_who_interrupts_for_a_second_is_heard(
    orders: list[tuple[signal.Signals, float]], ends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast: the time is that since the first."""
    codes, now = list[int](), 0.0
    monkeypatch.setattr(leaving, "_later", lambda *_: None)
    monkeypatch.setattr(os, "_exit", codes.append)
    monkeypatch.setattr(leaving, "time", SimpleNamespace(monotonic=lambda: now))
    order = OrderToStop(3600.0)
    for number, now in orders:  # noqa: B007
        order._by_signal(number)
    assert len(codes) == ends


async def test_each_of_those_that_hang_has_a_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "_later", lambda *_: None)
    order = OrderToStop(3600.0)
    assert (order.left, order.patience()) == (3600.0, (3600.0 + leaving.CLOSING_TIME) / 2)
    order.give()
    first, second = order.patience(), order.patience()
    assert order.given.is_set()
    assert second <= first < (3600.0 + leaving.CLOSING_TIME) / 2


async def test_what_is_not_closed_in_time_is_named_and_left() -> None:
    async def hangs() -> None:
        await asyncio.Event().wait()

    async def is_well() -> None: ...

    with capture_logs() as records:
        assert not await closed("engine", hangs, lambda: 0.0)
        assert await closed("journal", is_well, leaving.forever)
    assert [(one["event"], one["what"]) for one in records] == [("not_closed", "engine")]


@pytest.mark.parametrize("patience", [leaving.forever, lambda: 3600.0], ids=["for ever", "for long"])
async def test_a_time_that_is_over_within_is_a_failure_like_others(patience: leaving.Patience) -> None:
    async def fails() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await closed("engine", fails, patience)

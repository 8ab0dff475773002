"""A walk over known runs takes its time: what becomes of them meanwhile does not break it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.hand_clock import HandClock
from tests.unit.executions.heart_stage import Engine, Stage, request
from tests.until import until


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_run_that_ends_is_told_of_once_and_one_that_goes_is_not(
    host: str, newest_first: bool
) -> None:
    clock = HandClock()
    executions = Stage(Engine(busy=True), clock=clock).executions
    executions.set_permits(2)
    asked = [replace(request(host), idempotency_key=key) for key in "abcd"]
    first, ending, going, last = [await executions.submit(one) for one in asked]
    walk = executions.between(0, 1 << 63, newest_first=newest_first)
    seen = [next(walk).id]
    for run in (ending, going):
        executions.cancel(run, 0)
        await run.concluded
    assert executions.supervises(going.id), "its supervisor is not done with it"
    await executions.acknowledge(going.id)
    await until(lambda: executions.find(ending.id) is None)
    seen += [run.id for run in walk]
    assert sorted(seen) == [first.id, ending.id, last.id]
    assert seen == sorted(seen, reverse=newest_first)
    for run in (first, last):
        run.disarm()
    await executions.aclose()

"""The simulation behind docs/scaling.md, where what has to come out is known without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.scaling.model import Site, World
from bench.scaling.scenarios import a_million
from bench.scaling.service import ServiceTimes, measured

NOTHING = ServiceTimes(0, 0, 0, 0, 0, 0, 0)
EVERYTHING = ServiceTimes(0.001, 0.002, 0.003, 0.2, 0.02, 0.1, 0.0005, scheduling=0.3, away=1.0)
ONE = Site(cores=1, permits=1, pool=0)


def test_a_lone_run_takes_the_sum_of_its_steps() -> None:
    """Three commits; what is taken away after its end is not waited for."""
    found = World(ONE, EVERYTHING).burst(1)
    steps = EVERYTHING.manager + EVERYTHING.starting + EVERYTHING.contract + 3 * EVERYTHING.commit + 1.3
    assert found.waits == [pytest.approx(steps)]
    assert found.seconds == pytest.approx(steps + EVERYTHING.removing)


def test_a_ready_instance_saves_its_start() -> None:
    warm, cold = (World(replace(ONE, pool=pool), EVERYTHING).burst(1).waits[0] for pool in (1, 0))
    assert cold - warm == pytest.approx(EVERYTHING.starting + EVERYTHING.scheduling)


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_processors_bound_the_rate(cores: int) -> None:
    """The managers' part of them included, where they are on the same machine."""
    found = World(Site(cores=cores, permits=64, pool=0), replace(EVERYTHING, away=0, scheduling=0)).burst(500)
    assert found.rate == pytest.approx(cores / (EVERYTHING.machine + EVERYTHING.manager), rel=0.05)
    assert found.saturated in {"processors", "permits"}
    assert found.busy["processors"] > 0.95


def test_permits_are_never_exceeded_and_bound_what_waits_for_others() -> None:
    found = World(Site(permits=5, managers=3), replace(NOTHING, away=2.0)).burst(100)
    assert found.most_permits == 5
    assert found.seconds == pytest.approx(2.0 * 100 / 5)


def test_what_waits_shares_a_commit() -> None:
    """The first one alone, all others together, at each of three steps."""
    found = World(Site(permits=50), replace(NOTHING, commit=0.01)).burst(50)
    assert found.commits == 6


def test_a_queue_before_one_server_is_as_long_as_theory_says() -> None:
    """Poisson arrivals, equal service: the mean wait is u / 2m(1 - u) (Pollaczek and Khinchine)."""
    service, use = 0.05, 0.6
    times = replace(NOTHING, accepting=service)
    found = World(Site(permits=100_000, together=False), times, seed=3).steady(1, use / service, 800)
    expected = service + use * service / (2 * (1 - use))
    assert sum(found.waits) / found.runs == pytest.approx(expected, rel=0.1)


def test_failures_multiply_the_work() -> None:
    found = World(Site(failing=0.2, permits=64), NOTHING, seed=2).burst(4000)
    assert found.runs == 4000
    assert found.attempts / found.runs == pytest.approx(1 / 0.8, rel=0.03)


def test_more_managers_help_where_a_manager_is_what_is_short() -> None:
    times = replace(NOTHING, accepting=0.01, ending=0.01)
    one, four = (
        World(Site(managers=count, permits=64, together=False), times).burst(400).rate for count in (1, 4)
    )
    assert four / one == pytest.approx(4, rel=0.05)


def test_the_api_server_bounds_what_is_created() -> None:
    times = replace(NOTHING, starting=0.001)
    found = World(Site(permits=64, pool=0, creates_per_second=10.0), times).burst(200)
    assert found.rate == pytest.approx(10.0, rel=0.02)
    assert found.saturated == "API server"


def test_times_come_from_the_benchmarks_figures() -> None:
    results = {
        "pool_manager_cpu_ms_per_run": 12.0,
        "pool_cpu_ms_per_run": 222.0,
        "reuse_cpu_ms_per_run": 20.0,
        "reuse_manager_cpu_ms_per_run": 4.0,
    }
    times = measured(results, 0.0007)
    assert times.manager == pytest.approx(0.012)
    assert times.contract == pytest.approx(0.016)
    assert times.machine + times.manager == pytest.approx(0.222)


def test_a_million_runs_are_added_up() -> None:
    rows = {row[0]: row[1] for row in a_million(replace(NOTHING, contract=0.0036), 1000.0).rows}
    assert rows["processor hours, instances"] == "1"
    assert rows["journal, if nothing were forgotten"] == "1.0 GB"

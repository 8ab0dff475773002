"""`/metrics`: what is told is what happened, and nothing is told that the page does not have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.api.context import CONTEXT
from orchestrator.metrics import exposition
from orchestrator.metrics.family import Group, Kind
from orchestrator.metrics.groups import GROUPS
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.until import until_told

FAMILIES = {family.name: family for group in GROUPS for family in group.families}
OF_HISTOGRAMS = ("_bucket", "_sum", "_count")

Scraped = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(client: Client) -> Scraped:
    async with client.session.get("/metrics") as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        text = await response.text()
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    return {(one.name, frozenset(one.labels.items())): one.value for one in samples}


def value(scraped: Scraped, name: str, **labels: str) -> float:
    return scraped[name, frozenset(labels.items())]


def family_of(sample: str) -> str:
    for end in OF_HISTOGRAMS:
        base = sample.removesuffix(end)
        if base != sample and base in FAMILIES and FAMILIES[base].kind is Kind.HISTOGRAM:
            return base
    return sample


async def run_to_its_end(client: Client, script: dict[str, Any] | None = None) -> Any:
    body = client.body(script)
    async with listening_node(body["host"]):
        run_id = await client.run(body)
        run = client.manager.executions.find(run_id)
        status = await client.finished(run_id)
        if run is not None:
            await asyncio.shield(run.released)
            await client.until(lambda: client.manager.executions.find(run_id) is None)
    return status


async def test_runs_are_counted_by_how_they_began_and_ended(make_client: MakeClient) -> None:
    client = await make_client(pool_size=1)
    await client.until(
        lambda: client.manager.pool is not None and client.manager.pool.pool_statistics().ready > 0
    )
    before = await scrape(client)
    await run_to_its_end(client)
    await run_to_its_end(client, {"signal": 9})
    nobodys = client.body(host="tcp://169.254.1.1:80")
    assert (await client.ask("POST", "/genvm/run", json=nobodys))[0] == 403
    after = await scrape(client)

    def more(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert more("genvm_runs_ended_total", state="finished", cause="exited", result="return") == 1
    assert more("genvm_runs_ended_total", state="finished", cause="signal", result="none") == 1
    assert more("genvm_runs_refused_total", why="host") == 1
    assert more("genvm_pool_claims_total", result="hit") + more("genvm_pool_claims_total", result="miss") == 2
    assert (
        more("genvm_pool_claims_total", result="hit")
        == more("genvm_run_start_seconds_count", path="warm")
        >= 1
    )
    assert more("genvm_run_seconds_count") == more("genvm_queue_wait_seconds_count") == 2
    assert more("genvm_run_start_step_seconds_count", path="warm", step="hand_over") >= 1
    assert more("genvm_journal_rows_total") > 0
    assert more("genvm_journal_commit_seconds_count") > 0


async def test_who_waits_and_who_has_permits_is_told(make_client: MakeClient) -> None:
    client = await make_client(permits=2, pool_size=0)
    first, second = client.body({"hold": True}, is_sync=True), client.body(is_sync=False)
    async with listening_node(first["host"]), listening_node(second["host"]):
        running = client.manager.executions.find(await client.run(first))
        assert running is not None
        await asyncio.shield(running.started)
        asking = asyncio.create_task(client.run(second))
        await client.until(lambda: client.manager.executions.statistics().permits.waiting == 1)
        scraped = await scrape(client)
        assert value(scraped, "genvm_permits_limit") == 2
        assert value(scraped, "genvm_permits_held", kind="plain", state="running") == 1
        assert value(scraped, "genvm_queue_runs") == 1
        assert value(scraped, "genvm_queue_oldest_seconds") >= 0
        assert value(scraped, "genvm_runs", state="queued") == 1
        client.let_go(running.execution.instance)
        await client.finished(await asking)
    assert value(await scrape(client), "genvm_queue_oldest_seconds") == 0


async def test_every_sample_is_on_the_page_with_its_labels(client: Client) -> None:
    """And what can be told at all is told from the beginning: a counter that is not there has no rate."""
    await run_to_its_end(client)
    scraped = await scrape(client)
    told = {family_of(name) for name, _ in scraped if not name.startswith("process_")}
    for name, labels in scraped:
        if not name.startswith("process_"):
            allowed = set(FAMILIES[family_of(name)].labels) | ({"le"} if name.endswith("_bucket") else set())
            assert {key for key, _ in labels} == allowed
    # Only the docker and kubernetes runtimes have an engine to call, and modules tell by their pings.
    absent = {"genvm_engine_call_seconds", *(name for name in FAMILIES if "_llm_" in name or "_web_" in name)}
    absent |= {
        name
        for name in FAMILIES
        if name.startswith("genvm_module_") and ("sessions" in name or "requests" in name)
    }
    # And only a manager that exports traces has any to count.
    absent |= {name for name in FAMILIES if name.startswith("genvm_traces_")}
    assert FAMILIES.keys() - told <= absent


async def test_what_a_module_says_is_told_in_numbers_only(make_client: MakeClient, set_times: Any) -> None:
    """What is no number is left out, and no name is long: a module's word is foreign to the manager."""
    set_times(ping_interval=0.02, missed_pings=10**6)
    client = await make_client()
    totals = {
        "calls": 3,
        "milliseconds": 1500,
        "fallbacks": 1,
        "input_tokens": 7,
        "failures": {"timeout": 2, "x" * 500: -1},
    }
    counters = {
        "sessions_total": 5,
        "answered": "many",
        "backends": {"mine": {"waiting": 1, "models": {'m\n{}"': totals, "bad": 5}}, "other": None},
    }
    answer = await client.ask(
        "POST", "/module/start", json={"module_type": "Llm", "config": {"counters": counters}}
    )
    assert answer == (200, {"result": "module_started"})

    async def told() -> Scraped | None:
        scraped = await scrape(client)
        return scraped if any(name == "genvm_llm_calls_total" for name, _ in scraped) else None

    scraped = await until_told(told)
    model = {"provider": "mine", "model": 'm\n{}"'}
    assert value(scraped, "genvm_llm_calls_total", **model) == 3
    assert value(scraped, "genvm_llm_call_seconds_total", **model) == 1.5
    assert value(scraped, "genvm_llm_failures_total", **{**model, "class": "timeout"}) == 2
    assert value(scraped, "genvm_llm_tokens_total", **model, kind="input") == 7
    assert value(scraped, "genvm_module_sessions_total", module="llm") == 5
    assert [labels for name, labels in scraped if name == "genvm_llm_failures_total"] == [
        frozenset({*model.items(), ("class", "timeout")})
    ]
    assert not any(
        name == "genvm_module_requests_total" and ("result", "answered") in labels for name, labels in scraped
    )


class CountedReads(list[Group]):
    """All groups, and how often somebody has read them."""

    reads = 0

    def __iter__(self) -> Iterator[Group]:
        self.reads += 1
        return super().__iter__()


async def test_a_crowd_is_read_for_one_after_the_other(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = CountedReads(GROUPS)
    monkeypatch.setattr(exposition, "GROUPS", groups)
    client = await make_client()
    scrape = client.manager.app[CONTEXT].scrape
    crowd = [asyncio.ensure_future(scrape()) for _ in range(16)]
    in_a_turn = []
    while not all(one.done() for one in crowd):
        before = groups.reads
        await asyncio.sleep(0)
        in_a_turn.append(groups.reads - before)
    assert (max(in_a_turn), sum(in_a_turn)) == (1, len(crowd))

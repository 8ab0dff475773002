"""A run's trace, from the header of its client to the collector, past a restart (docs/traces.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from orchestrator.executions.steps import Step
from orchestrator.serve import end_runs
from orchestrator.traces.tree import EARLIER
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.otlp_receiver import Receiver, attributes, otlp_receiver
from tests.until import until_told

HOLDS = {"tell_node": "I have my job\n", "ignore": None}
"""Once its node has heard that, and ended, the run can be taken over."""
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with otlp_receiver() as receiver:
        yield receiver


async def tree_from(receiver: Receiver) -> list[Span]:
    # Bounded, or a tree that never comes would keep the thread, and the whole suite, for ever.
    return await asyncio.to_thread(receiver.trees.get, timeout=120)


async def asked(client: Client, body: dict[str, object], flags: str | None) -> int:
    headers = {} if flags is None else {"traceparent": f"00-{TRACE}-{PARENT}-{flags}"}
    _, answer = await client.ask("POST", "/genvm/run", json=body, headers=headers)
    return int(answer["id"])


async def test_a_run_s_spans_are_in_the_trace_of_its_client(
    make_client: MakeClient, receiver: Receiver
) -> None:
    client = await make_client(traces=True, traces_url=receiver.url)
    body = client.body()
    async with listening_node(body["host"]):
        run_id = await asked(client, body, "01")
        root, *steps = await tree_from(receiver)
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    assert attributes(root)["genvm.run.id"] == run_id
    expected = [f"genvm.run.{step.value}" for step in Step if step is not Step.INTERRUPTED]
    assert [step.name for step in steps] == expected
    assert {step.parent_span_id for step in steps} == {root.span_id}
    # Counted once its answer is there, which is after the spans are.
    await until_told(lambda: exported(client))


async def exported(client: Client) -> bool:
    async with client.session.get("/metrics") as response:
        return 'genvm_traces_total{result="exported"} 1.0' in await response.text()


async def test_a_client_that_wants_no_spans_has_none_and_one_without_a_trace_has_its_own(
    make_client: MakeClient, receiver: Receiver
) -> None:
    client = await make_client(traces=True, traces_url=receiver.url)
    unwanted, plain = client.body(), client.body()
    async with listening_node(unwanted["host"]), listening_node(plain["host"]):
        first = await asked(client, unwanted, "00")
        await client.finished(first)
        await client.until(lambda: client.manager.executions.find(first) is None)
        second = await asked(client, plain, None)
        root, *_ = await tree_from(receiver)
    assert (attributes(root)["genvm.run.id"], root.parent_span_id) == (second, b"")
    assert root.trace_id.hex() != TRACE


@pytest.mark.parametrize("flags", ["01", None], ids=["its client's", "its manager's"])
async def test_a_run_keeps_its_trace_past_a_restart(
    make_client: MakeClient, receiver: Receiver, flags: str | None
) -> None:
    changes = {"traces": True, "traces_url": receiver.url, "shutdown_policy": "detach"}
    client = await make_client(**changes)
    body = client.body(HOLDS)
    async with listening_node(body["host"]) as node:
        run_id = await asked(client, body, flags)
        run = client.manager.executions.find(run_id)
        assert run is not None
        assert run.trace is not None
        await node.ended.wait()
        await end_runs(client.manager)
        await client.leave()

        client = await make_client(**changes)
        await client.delete(run_id)
        root, *steps = await tree_from(receiver)
    assert root.trace_id.hex() == run.trace.id
    assert root.parent_span_id.hex() == (run.trace.parent or "")
    assert [step.name for step in steps][:2] == [EARLIER, "genvm.run.instance"]


async def test_without_traces_a_client_s_own_is_kept_for_the_log_past_a_restart(
    make_client: MakeClient,
) -> None:
    """The next manager does not find the process, and says of the run what became of it."""
    client = await make_client(shutdown_policy="detach")
    body = client.body(HOLDS)
    async with listening_node(body["host"]) as node:
        run_id = await asked(client, body, "01")
        await node.ended.wait()
        await end_runs(client.manager)
        await client.leave()
        with capture_logs([merge_contextvars]) as lines:
            client = await make_client(shutdown_policy="detach")
            await client.finished(run_id)
            await client.until(lambda: client.manager.executions.find(run_id) is None)
    (line,) = [one for one in lines if one["event"] == "run_ended"]
    assert (line["run"], line["trace"]) == (run_id, TRACE)


async def test_a_collector_that_is_away_keeps_no_run_waiting(
    make_client: MakeClient, receiver: Receiver
) -> None:
    receiver.answer = 503
    client = await make_client(traces=True, traces_url=receiver.url, traces_queue=1)
    for _ in range(4):
        body = client.body()
        async with listening_node(body["host"]):
            assert (await client.finished(await asked(client, body, "01")))["cause"] == "exited"
    await client.leave()

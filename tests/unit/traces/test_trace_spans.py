"""What goes to a collector: the library's own exporters, in memory and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from orchestrator.executions.state import Cause
from orchestrator.executions.trace import Trace
from orchestrator.runtime_name import RuntimeName
from orchestrator.traces.spans import otlp_exporter, resource_of, sending
from orchestrator.version import VERSION
from tests.otlp_receiver import Receiver, attributes, otlp_receiver
from tests.unit.traces.stories import CLIENT, STEPS, story


@pytest.fixture(autouse=True)
def nobody_else_s_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


def test_a_run_is_one_tree_below_its_client_s_span() -> None:
    exporter = InMemorySpanExporter()
    assert sending(exporter, resource_of("me"), RuntimeName.DOCKER)([story()])
    root, *children = exporter.get_finished_spans()
    assert root.parent is not None
    assert root.context is not None
    assert root.parent.span_id == int(CLIENT.parent or "", 16)
    assert root.parent.is_remote
    assert (root.kind, root.status.status_code) == (SpanKind.SERVER, StatusCode.UNSET)
    for child in children:
        assert child.parent is not None
        assert child.context is not None
        assert (child.context.trace_id, child.parent.span_id) == (int(CLIENT.id, 16), root.context.span_id)
    ids = {span.context.span_id for span in (root, *children) if span.context is not None}
    assert len(ids) == len(STEPS) + 1


def test_a_trace_that_the_manager_began_has_nothing_above_its_run() -> None:
    exporter = InMemorySpanExporter()
    mine = Trace(CLIENT.id, None, sampled=True)
    failed = story({"cause": Cause.DEADLINE}, trace=mine)
    assert sending(exporter, resource_of("me"), RuntimeName.DOCKER)([failed])
    root = exporter.get_finished_spans()[0]
    assert root.parent is None
    assert (root.status.status_code, root.status.description) == (StatusCode.ERROR, "deadline")


def test_a_collector_gets_it_as_protobuf_over_http(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20collector-token")
    exporter = otlp_exporter(receiver.url)
    assert sending(exporter, resource_of("me"), RuntimeName.DOCKER)([story(), story()])
    exporter.shutdown()
    (tree,) = [receiver.trees.get_nowait()]
    assert receiver.authorization == ["Bearer collector-token"]
    roots = [span for span in tree if span.name == "genvm.run"]
    assert len(roots) == 2
    assert {span.parent_span_id.hex() for span in roots} == {CLIENT.parent}
    assert {span.trace_id.hex() for span in tree} == {CLIENT.id}
    assert attributes(roots[0])["genvm.run.id"] == 7
    assert attributes(receiver.resources[0]).items() >= {
        ("service.name", "genvm-orchestrator"),
        ("service.version", VERSION),
        ("service.instance.id", "me"),
    }


def test_figures_that_no_message_holds_take_no_other_run_s_spans_with_them(receiver: Receiver) -> None:
    """A module says what it likes of its sessions."""
    huge = 2**63
    tokens = {"m" * 5000: {"input": huge, "output": huge - 1}, "other": {"output": huge - 1}}
    said = {"scripting": {"requests_count": huge, "requests_time": 2**4000}, "tokens": tokens}
    hostile = story({"metrics": {"llm": said}}, with_modules=True)
    exporter = otlp_exporter(receiver.url)
    assert sending(exporter, resource_of("me"), RuntimeName.DOCKER)([hostile, story()])
    exporter.shutdown()
    tree = receiver.trees.get_nowait()
    assert [span.name for span in tree].count("genvm.run") == 2
    [session] = [span for span in tree if span.name == "genvm.module.llm"]
    assert {one.key for one in session.attributes} == {
        "genvm.module.models",
        "gen_ai.usage.input_tokens",
    }


@pytest.mark.parametrize("answer", [400, 401])
def test_a_collector_that_refuses_is_no_success(receiver: Receiver, answer: int) -> None:
    receiver.answer = answer
    exporter = otlp_exporter(receiver.url)
    assert not sending(exporter, resource_of("me"), RuntimeName.DOCKER)([story()])
    exporter.shutdown()


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "genvm-orchestrator"),
        ({"OTEL_SERVICE_NAME": "mine"}, "mine"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=ours,deployment.environment.name=test"}, "ours"),
    ],
    ids=["ours", "its name", "its attributes"],
)
def test_operators_name_the_service(
    variables: dict[str, str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert resource_of("me").attributes["service.name"] == name

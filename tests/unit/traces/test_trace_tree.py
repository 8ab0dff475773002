"""The spans of a run: their times come from its steps, and nothing in them from its contract."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from orchestrator.executions.plain import micros
from orchestrator.executions.state import Cause
from orchestrator.executions.steps import Step
from orchestrator.runtime_name import RuntimeName
from orchestrator.traces.story import Story
from orchestrator.traces.tree import EARLIER, MOST_MODELS, PlannedSpan, Side, tree_of
from tests.unit.traces.stories import ACCEPTED, SECOND, STEPS, story

BEGUN = micros(ACCEPTED) * 1000
LLM = {
    "scripting": {"requests_count": 2, "requests_time": 1_500_000},
    "tokens": {"main/model": {"input": 10, "output": 4}, "other/model": {"input": 1, "output": 2}},
}


def tree(told: Story) -> tuple[PlannedSpan, list[PlannedSpan]]:
    root, *children = tree_of(told, RuntimeName.DOCKER)
    return root, children


def test_the_steps_lie_end_to_end_below_the_run() -> None:
    root, children = tree(story())
    assert [child.name for child in children] == [f"genvm.run.{step.value}" for step in STEPS]
    assert [(child.end - child.start) / SECOND for child in children] == list(STEPS.values())
    assert all(one.end == other.start for one, other in pairwise(children))
    assert (root.start, root.end) == (BEGUN, BEGUN + int(sum(STEPS.values()) * SECOND))
    assert (children[0].start, children[-1].end) == (root.start, root.end)
    assert (root.name, root.side, root.failed) == ("genvm.run", Side.SERVER, None)


def test_a_run_that_was_taken_over_has_what_went_with_the_earlier_manager_as_one_span() -> None:
    steps = {Step.INSTANCE: 0.5, Step.RUN: 1.0, Step.RECORD: 0.25, Step.TAKE_AWAY: 0.25}
    root, children = tree(story(steps=steps))
    assert [child.name for child in children][:2] == [EARLIER, "genvm.run.instance"]
    assert children[0].start == root.start == BEGUN
    assert (children[0].end - BEGUN) / SECOND == 6.5 - 1.5
    assert (root.end - BEGUN) / SECOND == 6.5 + 0.5


def test_a_clock_that_was_set_back_makes_no_span_that_ends_before_it_begins() -> None:
    steps = {Step.QUEUE: 90.0, Step.INTERRUPTED: 1.0}
    root, children = tree(story(steps=steps))
    assert all(span.start <= span.end for span in (root, *children))
    assert children[0].start == BEGUN


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"genvm.run.result": "Return", "genvm.run.cause": "exited", "container.id": "c0ffee"}),
        ({"result": b"\x02text"}, {"genvm.run.result": "VmError"}),
        ({"result": b"\xfftext"}, {"genvm.run.result": None}),
        ({"result": None, "exit_code": 137}, {"genvm.run.result": None, "process.exit.code": 137}),
        ({"cause": Cause.OOM}, {"error.type": "oom"}),
        ({"cause": Cause.CANCELLED}, {"error.type": None}),
        ({"reason": "relay_lost"}, {"genvm.run.reason": "relay_lost"}),
        ({"reason": "what an instance says: 0x1234"}, {"genvm.run.reason": None}),
    ],
)
def test_what_a_run_s_span_says(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    root, _ = tree(story(changes))
    assert {name: root.attributes.get(name) for name in expected} == expected
    assert root.failed == root.attributes.get("error.type")


@pytest.mark.parametrize(
    ("runtime", "name", "said", "value"),
    [
        (RuntimeName.DOCKER, "container.id", "c0ffee", "c0ffee"),
        (RuntimeName.KUBERNETES, "k8s.pod.uid", "0-1-2", "0-1-2"),
        (RuntimeName.PROCESS, "process.pid", "4711", 4711),
    ],
)
def test_an_instance_is_named_as_its_engine_does(
    runtime: RuntimeName, name: str, said: str, value: object
) -> None:
    told = story()
    object.__setattr__(told.execution, "engine_id", said)
    assert tree_of(told, runtime)[0].attributes[name] == value


def test_nothing_that_a_contract_or_a_node_wrote_is_told() -> None:
    told = story({"cause": Cause.PROTOCOL, "error": "SECRET", "result": b"\0SECRET", "stats": {"SECRET": 1}})
    assert "SECRET" not in repr(tree_of(told, RuntimeName.DOCKER))


def test_sessions_with_modules_are_spans_with_what_was_used() -> None:
    metrics = {"llm": LLM, "web": {"requests_count": 1, "requests_time": 250_000}}
    _, children = tree(story({"metrics": metrics}, with_modules=True))
    modules = next(child for child in children if child.name == "genvm.run.modules")
    run = next(child for child in children if child.name == "genvm.run.run")
    llm, web = children[-2:]
    assert [llm.name, web.name] == ["genvm.module.llm", "genvm.module.web"]
    assert (llm.start, llm.end, llm.side) == (modules.start, run.end, Side.CLIENT)
    assert llm.attributes == {
        "genvm.module.requests": 2,
        "genvm.module.seconds": 1.5,
        "genvm.module.models": ("main/model", "other/model"),
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 6,
    }
    assert web.attributes == {"genvm.module.requests": 1, "genvm.module.seconds": 0.25}


@pytest.mark.parametrize(
    "used",
    [None, {}, {"scripting": 3}, {"tokens": 4}, {"tokens": {"m": 1}}, {"requests_count": "many"}, "text"],
)
def test_a_module_that_says_something_else_breaks_nothing(used: object) -> None:
    root, *_ = tree_of(story({"metrics": {"llm": used}}, with_modules=True), RuntimeName.DOCKER)
    assert root.name == "genvm.run"


def test_models_are_bounded() -> None:
    tokens = {f"main/{number}": {"input": 1} for number in range(MOST_MODELS * 2)}
    _, children = tree(story({"metrics": {"llm": {"tokens": tokens}}}, with_modules=True))
    models = children[-1].attributes["genvm.module.models"]
    assert isinstance(models, tuple)
    assert len(models) == MOST_MODELS

"""A session's account in the shape of the run's status (manager-api 3.4, modules 1.11)."""

from __future__ import annotations

from genvm_wire.calldata import Value
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.session import LARGEST_STATS, Usage, plain

SCRIPTING: dict[str, Value] = {"requests_count": 2, "requests_time": 9}
STATS: dict[str, Value] = {
    "scripting": SCRIPTING,
    "tokens": {"main/m": {"input": 1, "output": 2, "total": 3}},
}


def test_the_llm_modules_stats_are_shown_whole() -> None:
    assert Usage(2, STATS).metrics(ModuleKind.LLM) == STATS


def test_the_web_modules_are_shown_without_their_level() -> None:
    assert Usage(2, {"scripting": SCRIPTING}).metrics(ModuleKind.WEB) == SCRIPTING


def test_a_session_without_a_request_is_no_use() -> None:
    assert Usage(0, STATS).metrics(ModuleKind.LLM) is None


def test_counters_hold_nothing_that_json_cannot() -> None:
    assert plain({"a": {"b": 1, "c": b"x"}, "d": [1], "e": "t", "f": None}) == {
        "a": {"b": 1},
        "e": "t",
        "f": None,
    }


def test_counters_without_end_are_dropped() -> None:
    assert plain({"a": "x" * LARGEST_STATS}) == {}

"""Whether a job leaves the width of fuel amounts to the node (host-protocol 3.4, correction)."""

from __future__ import annotations

import pytest

from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.job import JobLimits, job_message
from orchestrator.executions.plain import moment
from tests.generation_bodies import encoded


@pytest.mark.parametrize(
    ("generation", "table", "width", "learnt"),
    [
        ("B3", None, None, True),
        ("B4", None, None, True),
        ("B3", None, 8, False),
        ("B3", None, 32, False),
        ("B2", "T8", None, True),
        ("A", None, None, False),
        ("B1", None, None, False),
        ("B2", None, None, False),
        ("C", None, None, False),
    ],
)
def test_only_t8_leaves_the_width_to_the_node_and_a_manifest_settles_it(
    generation: str, table: str | None, width: int | None, learnt: bool
) -> None:
    request = received(encoded(generation, "unix:///h.sock")).shaped().run_request(RunRules())
    version = ExecutorVersion("v0.3.0", Number(0, 3, 0), moment(0), "image", table, "v0.3", width)
    limits = JobLimits(deadline_ms=1, grace_ms=1, output_limit=1, log_limit=1)
    message = job_message(1, request, version, limits)
    assert message.fuel_width_learnt is learnt
    if width is not None:
        assert message.fuel_width == width

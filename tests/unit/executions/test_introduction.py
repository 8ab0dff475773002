"""What a module is told of a run, from what its client said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from genvm_wire.module_messages import OpenSession, to_module
from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.executions.modules import introduction_of
from orchestrator.modules.session import session_message
from tests.generation_bodies import encoded
from tests.raw_message import carried


@pytest.mark.parametrize(
    ("passed", "gas_data", "allocation"),
    [
        ({}, {}, 0),
        ({"gas_data": {"a": "1"}, "initial_time_units_allocation": 7}, {"a": "1"}, 7),
        ({"gas_data": ["a"], "initial_time_units_allocation": "7"}, {}, 0),
        ({"gas_data": {"a": 1, "b": None}, "initial_time_units_allocation": True}, {"a": 1, "b": None}, 0),
    ],
)
def test_whatever_a_client_says_a_session_is_a_message(
    passed: dict[str, Any], gas_data: dict[str, Any], allocation: int
) -> None:
    """A module hangs up on what is none, and every other run's session would suffer."""
    request = received(encoded("C", "unix:///h.sock")).shaped().run_request(RunRules())
    request = replace(request, call=replace(request.call, passthrough=passed))
    sent = session_message(introduction_of(7, request, 1000))
    said = carried(sent, to_module)
    assert isinstance(said, OpenSession)
    assert said == sent
    assert (said.gas_data, said.initial_time_units_allocation) == (gas_data, allocation)

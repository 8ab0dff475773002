"""A developer whose manager does not answer is told how to go on."""

from __future__ import annotations

import pytest

from orchestrator.node.errors import ManagerUnreachable
from orchestrator.node.manager_client import ManagerClient


async def test_without_a_manager_it_says_how_to_have_one_or_do_without() -> None:
    async with ManagerClient("unix:///nonexistent/api.sock") as manager:
        with pytest.raises(ManagerUnreachable) as told:
            await manager.set_variable("A", "1")
    assert "start one with `genvm-orchestrator serve`" in str(told.value)
    assert "--manager local" in str(told.value)

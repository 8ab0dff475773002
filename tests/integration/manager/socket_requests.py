"""Runs that the manager socket is asked for in the tests with scripted instances."""

from __future__ import annotations

import json
from typing import Any

from tests.generation_bodies import fields
from tests.integration.manager.conftest import Node

ANSWER = {"answer": 0}


def request(node: Node, script: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A run map of generation C that does `script`; without one it returns."""
    told = ANSWER if script is None else script
    return fields("C", **{"host": f"unix://{node.path}", "host_data": json.dumps(told), **changes})

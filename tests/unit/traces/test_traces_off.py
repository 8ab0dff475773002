"""A manager without traces pays nothing for them, and one that cannot have them says what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orchestrator import extras
from orchestrator.command_failures import explained
from orchestrator.runtime_name import RuntimeName
from orchestrator.traces.traces import TracesNotInstalled, opened_traces

SERVING = """
import sys
import orchestrator.serve, orchestrator.command_failures
print([name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "google", "requests")])
"""


def test_nothing_of_the_library_is_imported_to_serve() -> None:
    said = subprocess.run([sys.executable, "-c", SERVING], check=True, capture_output=True, text=True)
    loaded = said.stdout
    assert "opentelemetry" not in loaded
    assert "google.protobuf" not in loaded


async def test_where_the_extra_is_missing_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "orchestrator.traces.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(TracesNotInstalled) as told:
        async with opened_traces(None, 1.0, 1, "me", RuntimeName.DOCKER):
            pass
    (line,) = explained(told.value)
    assert extras.advice("traces") in line

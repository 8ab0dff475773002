"""The suite in two halves at the same time: what needs containers or a browser, and what is processes alone.

The first half waits most of its time, for engines and for pages, and its parts would disturb each other; so
each half runs in its own order, in one process of pytest. `pytest -n 2` takes them so, `pytest` one after the
other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

PROCESSES = (
    "images/base/tests/",
    "images/executor/tests/",
    "images/llm/tests/",
    "images/release/tests/",
    "tests/conformance/",
    "tests/developer/",
    "tests/fuzz/",
    "tests/helm/",
    "tests/integration/loop/",
    "tests/integration/manager/",
    "tests/integration/store/",
    "tests/unit/",
)
"""Folders without a container: with what else runs, they have the processor in common and nothing else."""


def half(nodeid: str) -> str:
    """The half that a test belongs to. A new folder is held to have containers."""
    return "processes" if nodeid.startswith(PROCESSES) else "containers"


def two_halves() -> type[LoadScopeScheduling]:
    """How pytest-xdist hands tests out: a half to each of its workers."""
    from xdist.scheduler import LoadScopeScheduling

    class Halves(LoadScopeScheduling):  # type: ignore[misc]  # the library has no types
        def _split_scope(self, nodeid: str) -> str:
            return half(nodeid)

    return Halves

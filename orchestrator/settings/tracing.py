"""Traces of runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from orchestrator.settings.about import Group, Unit, setting

# Without a user's name: a password in an address is printed wherever the address is.
TracesUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^?#@\s]+$")]


class Tracing(Group):
    """Traces (traces.md)"""

    traces: bool = setting(
        False,
        "export a trace of each run with OpenTelemetry; needs the extra `traces`",
        why="it takes a collector to have any use of them",
        unit=Unit.SWITCH,
    )
    traces_url: TracesUrl | None = setting(
        None,
        "where to, OTLP over HTTP, with its path: http://collector:4318/v1/traces. Unset: as"
        " OTEL_EXPORTER_OTLP_ENDPOINT says, else port 4318 of this machine",
        why="collectors listen there, and whoever has one has set the variable",
        unit=Unit.URL,
    )
    traces_share: float = setting(
        1.0,
        "of the runs whose client sends no traceparent, how many have one; else the header says it",
        why="a run's trace is a dozen spans, made aside from the runs: all of them can be had",
        unit=Unit.SHARE,
        ge=0,
        le=1,
    )
    traces_queue: int = setting(
        2048,
        "how many runs may wait to be exported; more are let go and counted",
        why="a collector may be away for some seconds, and memory stays within a few MiB when it is for good",
        unit=Unit.RUNS,
        ge=1,
    )

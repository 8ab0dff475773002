"""`traceparent` (W3C Trace Context): the trace of a request and its run (docs/traces.md)."""

from __future__ import annotations

from aiohttp import web
from multidict import istr

from orchestrator.api.description import Parameter, Place
from orchestrator.executions.trace import Trace

HEADER = istr("traceparent")
TRACEPARENT = Parameter(
    "traceparent",
    "W3C Trace Context: the run's lines in the log have the trace's id, its spans are in that trace",
    {"type": "string"},
    place=Place.HEADER,
)


def trace_of(request: web.Request) -> Trace | None:
    """A header that is none counts as absent, by the standard."""
    text = request.headers.get(HEADER)
    return None if text is None else Trace.asked_for(text)

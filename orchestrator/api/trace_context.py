"""`traceparent` (W3C Trace Context): the trace that a request is part of, for the log lines of its run."""

from __future__ import annotations

import re

from aiohttp import web
from multidict import istr

from orchestrator.api.description import Parameter, Place

HEADER = istr("traceparent")
VALUE = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
NONE, NO_PARENT = "0" * 32, "0" * 16
TRACEPARENT = Parameter(
    "traceparent",
    "W3C Trace Context: every line of the log about the run has its trace's id",
    {"type": "string"},
    place=Place.HEADER,
)


def trace_of(request: web.Request) -> str | None:
    """The trace's id, 32 hexadecimal digits. A header that is none counts as absent, by the standard."""
    text = request.headers.get(HEADER)
    return None if text is None else parsed(text)


def parsed(text: str) -> str | None:
    found = VALUE.fullmatch(text)
    if found is None:
        return None
    version, trace, parent, more = found.groups()
    if trace == NONE or parent == NO_PARENT or (version == "00" and more is not None):
        return None
    return trace

"""`traceparent` as W3C Trace Context has it: what is none is as good as absent."""

from __future__ import annotations

import pytest

from orchestrator.api.trace_context import parsed

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "trace"),
    [
        (f"00-{TRACE}-{PARENT}-01", TRACE),
        (f"00-{TRACE}-{PARENT}-00", TRACE),
        (f"cc-{TRACE}-{PARENT}-01-what-a-later-version-adds", TRACE),
        (f"cc-{TRACE}-{PARENT}-01", TRACE),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE}-{PARENT}", None),
        (f" 00-{TRACE}-{PARENT}-01", None),
        (f"cc-{TRACE}-{PARENT}-01more", None),
        ("", None),
        ("00-" + "a" * 100_000, None),
    ],
)
def test_a_header_is_a_trace_or_nothing(text: str, trace: str | None) -> None:
    assert parsed(text) == trace

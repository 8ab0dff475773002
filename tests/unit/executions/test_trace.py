"""`traceparent` as W3C Trace Context has it: what is none is as good as absent."""

from __future__ import annotations

import pytest

from orchestrator.executions.trace import Trace, read

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
    found = Trace.asked_for(text)
    assert (found and found.id) == trace
    assert found is None or found.parent == PARENT


@pytest.mark.parametrize(("flags", "wanted"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_its_last_bit_says_whether_spans_are_wanted(flags: str, wanted: bool) -> None:
    found = Trace.asked_for(f"00-{TRACE}-{PARENT}-{flags}")
    assert found is not None
    assert found.sampled is wanted


@pytest.mark.parametrize("parent", [PARENT, None])
@pytest.mark.parametrize("sampled", [True, False])
def test_what_is_written_is_read_again(parent: str | None, sampled: bool) -> None:
    trace = Trace(TRACE, parent, sampled)
    assert read(trace.text) == trace

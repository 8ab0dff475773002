"""The trace that a run is part of, as W3C Trace Context writes it in the header `traceparent`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_VALUE = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, NO_PARENT = "0" * 32, "0" * 16
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """`id`: 32 hexadecimal digits; `parent`: 16, of the client's own span, null where the manager began the
    trace; `sampled`: whether its spans are wanted."""

    id: str
    parent: str | None
    sampled: bool

    @property
    def text(self) -> str:
        """As the journal keeps it."""
        return f"00-{self.id}-{self.parent or NO_PARENT}-{_SAMPLED if self.sampled else 0:02x}"

    @staticmethod
    def asked_for(text: str) -> Trace | None:
        """A client's header. One that is none counts as absent, by the standard."""
        trace = read(text)
        return trace if trace is not None and trace.parent is not None else None


def read(text: str) -> Trace | None:
    """What `Trace.text` or a client wrote; None for what is no trace."""
    found = _VALUE.fullmatch(text)
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if trace == _NO_TRACE or (version == "00" and more is not None):
        return None
    return Trace(trace, None if parent == NO_PARENT else parent, bool(int(flags, 16) & _SAMPLED))

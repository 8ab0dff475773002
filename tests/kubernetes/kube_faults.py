"""What may go wrong with the API server of the suite: switches, to be turned in the middle of a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

Calls = Callable[[str, str], bool]
"""Whether a call of this method and path is meant."""


def any_call(method: str, path: str) -> bool:
    return True


@dataclass
class Faults:
    busy: int = 0
    """So many next calls are answered 429, as text."""
    lose_reply: Calls | None = None
    """The next such call is done, and its answer lost with the connection."""
    fail: tuple[int, Calls] | None = None
    """Such calls are answered with this code and `words`, until it is turned off."""
    words: str = "<html>out of order</html>"
    hold: asyncio.Event | None = None
    """Calls wait for it: a server under load."""
    away: bool = False
    """Connections are broken before they are answered."""
    silent_watches: bool = False
    """Watches are open and send nothing."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every call so far."""

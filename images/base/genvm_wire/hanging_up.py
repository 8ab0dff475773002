"""Ending a connection at once, whatever has been done to it before."""

from __future__ import annotations

import asyncio
from contextlib import suppress


def hang_up(writer: asyncio.StreamWriter) -> None:
    """What is not sent yet is lost. Idempotent.

    Debian's Python (3.11.2) has no `abort` for an encrypted connection that was closed twice, as happens when
    both sides close it: its transport has let go of the protocol that it asks then.
    """
    with suppress(AttributeError):
        writer.transport.abort()

"""Compiled code of contracts, asked of the manager, which keeps it for all its instances."""

from __future__ import annotations

import threading

from genvm_executor.channel.control import ControlChannel
from genvm_wire.instance_messages import Code, Source, WantCode

PATIENCE = 2.0
"""Seconds for an answer. Without one a run compiles by itself, and comes to the same."""
LOOK_SECONDS = 0.25
"""Between two looks whether the run has been cancelled."""


class Codes:
    """Of one run, one question at a time."""

    def __init__(self, channel: ControlChannel, run: int, cancelled: threading.Event) -> None:
        self._channel = channel
        self._run = run
        self._cancelled = cancelled
        self._answered = threading.Event()
        self._asked: bytes | None = None
        self._answer: Code | None = None

    def ask(self, compiler: bytes, source: bytes) -> Code | None:
        """What the manager has for the SHA-256 of a source; None when it has nothing, or says nothing."""
        self._answered.clear()
        self._asked, self._answer = source, None
        if self._channel.send(WantCode(self._run, compiler, source)):
            left = PATIENCE
            while left > 0 and not self._answered.wait(LOOK_SECONDS) and not self._cancelled.is_set():
                left -= LOOK_SECONDS
        self._asked = None
        answer = self._answer
        return None if answer is None or answer.code is None else answer

    def offer(self, source: bytes) -> None:
        """Leave a source to the manager, for which it had nothing."""
        self._channel.send(Source(self._run, source))

    def take(self, answer: Code) -> None:
        """What the manager said; of another source it is no news."""
        if answer.source == self._asked and not self._answered.is_set():
            self._answer = answer
            self._answered.set()

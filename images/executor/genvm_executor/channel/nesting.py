"""Calls that another executor serves: asked of the manager, waited for by the VM that made them."""

from __future__ import annotations

import threading

from genvm_executor.channel.control import ControlChannel
from genvm_executor.machine.outcome import RunCancelled
from genvm_wire.instance_messages import Nest, Nested

LOOK_SECONDS = 0.25
"""Between two looks whether the run has been cancelled."""


class Nesting:
    """Of one run, one call at a time."""

    def __init__(self, channel: ControlChannel, cancelled: threading.Event) -> None:
        self._channel = channel
        self._cancelled = cancelled
        self._answered = threading.Event()
        self._asked: Nest | None = None
        self._answer: Nested | None = None

    def ask(self, call: Nest) -> Nested:
        """How it ended. Raises RunCancelled."""
        self._answered.clear()
        self._asked = call
        self._channel.send(call)
        while not self._answered.wait(LOOK_SECONDS):
            if self._cancelled.is_set():
                raise RunCancelled("cancelled during a nested run")
        answer, self._asked, self._answer = self._answer, None, None
        assert answer is not None
        return answer

    def take(self, answer: Nested) -> None:
        """What the manager said; of an earlier call it is no news."""
        asked = self._asked
        if asked is not None and answer.call == asked.call and not self._answered.is_set():
            self._answer = answer
            self._answered.set()

    def repeat(self) -> None:
        """Ask again, on a new connection, what nobody has answered."""
        asked = self._asked
        if asked is not None and not self._answered.is_set():
            self._channel.send(asked)

"""What the manager is told of one run, until it has it for good."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from genvm_executor.channel.codes import Codes
from genvm_executor.channel.control import ControlChannel, ControlReader
from genvm_executor.channel.nesting import Nesting
from genvm_executor.channel.reporter import Reporter
from genvm_executor.channel.run_log import RunLog
from genvm_executor.machine.output import OutputTail
from genvm_wire.instance_messages import Code, Nested

ACK_SECONDS = 5.0


class Account:
    """Of the run `run`. `cancel` is called when the manager asks for it.

    `nesting` and `codes` get what the manager says of nested runs and of code. `until`, on the monotonic
    clock: how long an outcome waits to be acknowledged; ACK_SECONDS at least.
    """

    def __init__(
        self,
        channel: ControlChannel,
        run: int,
        outputs: Mapping[str, OutputTail],
        log: RunLog,
        *,
        until: float,
        cancel: Callable[[], None],
        nesting: Nesting | None = None,
        codes: Codes | None = None,
    ) -> None:
        self.reporter = Reporter(channel, run, outputs, log)
        self._nesting = nesting or Nesting(channel, threading.Event())
        self._reader = ControlReader(channel, run, cancel, self._resume, self._answered)
        self._codes = codes
        self._until = until

    def _answered(self, said: Nested | Code) -> None:
        if isinstance(said, Nested):
            self._nesting.take(said)
        elif self._codes is not None:
            self._codes.take(said)

    def _resume(self) -> None:
        self.reporter.resume()
        self._nesting.repeat()

    def listen(self) -> None:
        """Heed what the manager says from now on."""
        self._reader.start()

    def settle(self) -> None:
        """Wait for the acknowledgement."""
        if self._reader.ident is None:
            self._reader.start()
        # A manager that is killed now may take its time to come back: the result must still be here then.
        self._reader.acknowledged.wait(max(self._until - time.monotonic(), ACK_SECONDS))

    @property
    def acknowledged(self) -> bool:
        """Whether the manager has the outcome and may have another job."""
        return self._reader.acknowledged.is_set() and not self._reader.dismissed

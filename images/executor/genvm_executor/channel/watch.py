"""The clockwork beside a run: output at a bounded rate, the deadline, SIGTERM, a silent node."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable

from genvm_executor.channel.reporter import TICK_SECONDS, Reporter
from genvm_wire.records import record


@record
class Deadline:
    """`cancel_at` on the monotonic clock and `grace`, in seconds, from a job."""

    cancel_at: float
    grace: float

    @classmethod
    def starting_now(cls, deadline_ms: int, grace_ms: int) -> Deadline:
        return cls(time.monotonic() + deadline_ms / 1000, grace_ms / 1000)

    def arm_kernel_timer(self) -> None:
        """Let the kernel end this process after deadline and grace, even if no thread of it runs any more."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        remaining = self.cancel_at + self.grace - time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, max(remaining, 0.001))


class Watch(threading.Thread):
    """Ticks until `stop`. `cancel` interrupts the run; `abandon` cuts the node's connection when a cancelled
    run has not ended after half of the grace."""

    def __init__(
        self, reporter: Reporter, deadline: Deadline, cancel: Callable[[], None], abandon: Callable[[], None]
    ) -> None:
        super().__init__(name="watch", daemon=True)
        self._reporter = reporter
        self._deadline = deadline
        self._cancel = cancel
        self._abandon = abandon
        self._abandon_at: float | None = None
        self._stopped = threading.Event()
        # A signal handler in Python would wait for the guest to call the host; the descriptor does not.
        self._signals, self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def catch_termination(self) -> None:
        """Make SIGTERM a cancel. Call from the main thread, before `start`."""
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup)

    def cancelled(self) -> None:
        """The run was told to end; from now on it may only take half of the grace."""
        if self._abandon_at is None:
            self._abandon_at = time.monotonic() + self._deadline.grace / 2

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> None:
        due = False
        while not self._stopped.is_set():
            readable, _, _ = select.select([self._signals], [], [], TICK_SECONDS)
            if readable:
                os.read(self._signals, 64)
                self._cancel()
            if not due and time.monotonic() >= self._deadline.cancel_at:
                due = True
                self._cancel()
            if self._abandon_at is not None and time.monotonic() >= self._abandon_at:
                self._abandon()
                return
            self._reporter.pump()

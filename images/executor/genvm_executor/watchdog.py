"""The first process of an executor's container: it ends the container at its deadline, whatever runs in it.

The program that serves is its child, and may be hostile from some moment on. Nothing inside the container
reaches this process: the kernel keeps signals from a namespace's first process, nobody may trace it or read
or write its memory (it is not dumpable, `ptrace` and its like are filtered), and nobody may change its limits
or its priority. When it ends, the kernel kills all the others.

The manager tells it the deadline on a channel of its own (docs/instance-protocol.md, the watch channel), in
which the program has no part. It looks there, and at the clock, twice a second: nothing waits for it.

`python3 -m genvm_executor.watchdog MODULE` runs a module as `python3 -m MODULE` does, under a watchdog where
this is the container's first process. Under an engine's own init, or as a manager's child, there is none.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from genvm_wire.calldata import Value
from genvm_wire.frames import FrameDecoder, FrameError

CONTROL_VARIABLE = "GENVM_CONTROL"
DEFAULT_CONTROL = "/run/genvm/control.sock"
WATCH_NAME = "watch.sock"
IDLE_VARIABLE = "GENVM_IDLE_SECONDS"
IDLE_SECONDS = 30
TICK_SECONDS = 0.5
READ_BYTES = 4096
REAPED_AT_ONCE = 64
FAILED, KILLED_BY_SIGNAL = 1, 128

_PASSED_ON = frozenset(
    {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
)
_PR_SET_DUMPABLE = 4
_WAIT_FOR_ALL = 0x40000000
"""`__WALL`: children that are told of by no signal, too."""


def stand_guard() -> None:
    """Fork. Returns in the child only; this process watches from now on, and ends with it or ends it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Never handled, only asked for: what has no handler does not even reach a namespace's first process.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = os.fork()
    if child == 0:
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    code = FAILED
    try:
        code = Watchdog(child, _idle_seconds()).watch()
    finally:
        # Whatever went wrong: nothing in this container outlives its watchdog.
        os._exit(code)


class Watchdog:
    """Over the process `child`. `idle`: seconds that a program without a deadline may outlive its manager."""

    def __init__(self, child: int, idle: float) -> None:
        self._child = child
        self._idle = idle
        self._manager = Manager()
        self._gone_since: float | None = None

    def watch(self) -> int:
        """Until the program has ended or has to; this process's exit code."""
        while True:
            code = self._reap()
            if code is not None:
                return code
            self._manager.listen()
            now = time.monotonic()
            due = self._due(now)
            if due is not None and now >= due:
                return KILLED_BY_SIGNAL + signal.SIGALRM
            self._sleep(TICK_SECONDS if due is None else min(TICK_SECONDS, due - now))

    def _due(self, now: float) -> float | None:
        """When it is over: the deadline; without one, a while after a manager was there for the last time."""
        if self._manager.deadline is not None:
            return self._manager.deadline
        if self._manager.there or not self._manager.known:
            self._gone_since = None
            return None
        if self._gone_since is None:
            self._gone_since = now
        return self._gone_since + self._idle

    def _reap(self) -> int | None:
        """The program's exit code, once it has ended; others' ends are only taken note of."""
        for _ in range(REAPED_AT_ONCE):
            pid, status = os.waitpid(-1, os.WNOHANG | _WAIT_FOR_ALL)
            if pid == 0:
                return None
            if pid == self._child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else KILLED_BY_SIGNAL - code
        return None

    def _sleep(self, seconds: float) -> None:
        told = signal.sigtimedwait(_PASSED_ON | {signal.SIGCHLD}, max(seconds, 0))
        if told is not None and told.si_signo in _PASSED_ON:
            with suppress(ProcessLookupError):
                os.kill(self._child, told.si_signo)


class Manager:
    """The watch channel, seen from inside. `deadline`: on the monotonic clock, as the manager last told."""

    def __init__(self) -> None:
        path = os.environ.get(CONTROL_VARIABLE) or DEFAULT_CONTROL
        # The filter lets short addresses through: the name alone, from where it is.
        with suppress(OSError):
            os.chdir(Path(path).parent)
        self.deadline: float | None = None
        self.known = False
        """Whether there ever was one: an earlier manager knows of no watch channel."""
        self._sock: socket.socket | None = None
        self._decoder = FrameDecoder(READ_BYTES)

    @property
    def there(self) -> bool:
        return self._sock is not None

    def listen(self) -> None:
        """Take in what has been said; connect where nobody is. Never waits."""
        if self._sock is None:
            self._connect()
        if self._sock is not None:
            self._take_in(self._sock)

    def _connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(WATCH_NAME)
        except OSError:
            sock.close()
            return
        self._sock, self._decoder, self.known = sock, FrameDecoder(READ_BYTES), True

    def _take_in(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(READ_BYTES)
            messages = self._decoder.feed(data)
        except BlockingIOError:
            return
        except (OSError, FrameError):
            data, messages = b"", []
        for message in messages:
            if message["kind"] == "deadline":
                self._note(message.get("ms"))
        if not data:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection; idempotent."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _note(self, milliseconds: Value) -> None:
        if milliseconds is None:
            self.deadline = None
        elif isinstance(milliseconds, int):
            self.deadline = time.monotonic() + milliseconds / 1000


def _idle_seconds() -> float:
    """Twice what the program itself waits for a manager: it is to have left before."""
    text = os.environ.get(IDLE_VARIABLE, "")
    return 2.0 * (int(text) if text.isascii() and text.isdigit() else IDLE_SECONDS)


if __name__ == "__main__":
    if os.getpid() == 1:
        stand_guard()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

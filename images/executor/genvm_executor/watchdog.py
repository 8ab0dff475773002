"""The first process of an executor's container: it ends the container at its deadline, whatever runs in it.

The program that serves is its child, and may be hostile from some moment on. Nothing inside the container
reaches this process: the kernel keeps signals from a namespace's first process, nobody may trace it or read
or write its memory (it is not dumpable, `ptrace` and its like are filtered), and nobody may change its limits
or its priority. When it ends, the kernel kills all the others.

The manager tells it the deadline on a channel of its own (docs/instance-protocol.md, the watch channel), in
which the program has no part. It looks there, and at the clock, twice a second: nothing waits for it.

An interpreter of its own would be a high price for so little, and every start of a container would pay it:
the program goes on in a fork of this one, taken before anything else is imported. So this file imports next
to nothing, and runs without a site (`images/executor/first.py`).
"""

from __future__ import annotations

import _ctypes
import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys
import time

CONTROL_VARIABLE = "GENVM_CONTROL"
DEFAULT_CONTROL = "/run/genvm/control.sock"
WATCH_NAME = "watch.sock"
WORD_BYTES = 8
"""Of a word of the manager's: a signed little-endian number of milliseconds, negative for no deadline."""
IDLE_VARIABLE = "GENVM_IDLE_SECONDS"
IDLE_SECONDS = 30
TICK_SECONDS = 0.5
READ_BYTES = 4096
REAPED_AT_ONCE = 64
FAILED, KILLED_BY_SIGNAL = 1, 128

_PASSED_ON = {
    _signal.SIGTERM,
    _signal.SIGINT,
    _signal.SIGHUP,
    _signal.SIGQUIT,
    _signal.SIGUSR1,
    _signal.SIGUSR2,
}
_ENDING = {_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT}
"""From outside (a Pod that is preempted, `docker stop`) they end the container here and now. The program
would take one for a cancel, and tell its node of a contract that ran out of time."""
_PR_SET_DUMPABLE = 4
_WAIT_FOR_ALL = 0x40000000
"""`__WALL`: children that are told of by no signal, too."""


def main(arguments: list[str]) -> None:
    """Run the module that `arguments` names as `python3 -m` does: in a child to watch over, where this is the
    container's first process; else in this one."""
    if os.getpid() == 1:
        _guard()
    import runpy  # noqa: PLC0415 - not for the first process

    sys.argv = arguments
    runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)


def _guard() -> None:
    """Fork, and return in the child only: the first process stays in here."""
    code, child = FAILED, None
    try:
        _set_dumpable(0)
        # Never handled, only asked for: what has no handler does not even reach a namespace's first process.
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        child = os.fork()
        if child == 0:
            _set_dumpable(1)
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
        else:
            code = Watchdog(child, _idle_seconds()).watch()
    finally:
        # Whatever went wrong: nothing in this container outlives its watchdog.
        if child != 0:
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
                return KILLED_BY_SIGNAL + int(_signal.SIGALRM)
            ordered = self._sleep(TICK_SECONDS if due is None else min(TICK_SECONDS, due - now))
            if ordered is not None:
                return KILLED_BY_SIGNAL + ordered

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

    def _sleep(self, seconds: float) -> int | None:
        """The signal by which somebody outside ended this container, if one came."""
        told = _signal.sigtimedwait({*_PASSED_ON, _signal.SIGCHLD}, max(seconds, 0))
        if told is None or told.si_signo not in _PASSED_ON:
            return None
        # Whoever is in no namespace of this one's has no number here.
        if told.si_pid == 0 and told.si_signo in _ENDING:
            return int(told.si_signo)
        os.kill(self._child, told.si_signo)
        return None


class Manager:
    """The watch channel, seen from inside. `deadline`: on the monotonic clock, as the manager last told."""

    def __init__(self) -> None:
        path = os.environ.get(CONTROL_VARIABLE) or DEFAULT_CONTROL
        try:  # noqa: SIM105
            # The filter lets short addresses through: the name alone, from where it is.
            os.chdir(os.path.dirname(path) or ".")  # noqa: PTH120
        except OSError:
            pass  # the program says so
        self.deadline: float | None = None
        self.known = False
        """Whether there ever was one: an earlier manager knows of no watch channel."""
        self._sock: _socket.socket | None = None
        self._rest = b""

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
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
        try:
            sock.connect(WATCH_NAME)
        except OSError:
            sock.close()
            return
        self._sock, self._rest, self.known = sock, b"", True

    def _take_in(self, sock: _socket.socket) -> None:
        try:
            data = sock.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.hang_up()
        words = self._rest + data
        whole = len(words) - len(words) % WORD_BYTES
        self._rest = words[whole:]
        if whole:
            left = int.from_bytes(words[whole - WORD_BYTES : whole], "little", signed=True)
            self.deadline = None if left < 0 else time.monotonic() + left / 1000

    def hang_up(self) -> None:
        """End the connection; idempotent."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def _set_dumpable(value: int) -> None:
    """0: nobody else may read or write this process's memory or its files in /proc. Raises OSError."""

    class Call(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL

    # The package `ctypes` costs as much as all the rest. The result is an int without being told so.
    itself = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]
    prctl = Call(_ctypes.dlsym(itself, "prctl"))
    if prctl(_PR_SET_DUMPABLE, value, 0, 0, 0) != 0:
        raise OSError("prctl")


def _idle_seconds() -> float:
    """Twice what the program itself waits for a manager: it is to have left before."""
    text = os.environ.get(IDLE_VARIABLE, "")
    return 2.0 * (int(text) if text.isascii() and text.isdigit() else IDLE_SECONDS)

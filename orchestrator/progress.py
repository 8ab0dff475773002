"""What goes on and for how long, for whoever waits at a terminal; nothing of it into a pipe or a file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO

EVERY = 1.0
"""Seconds between two looks at the clock; what is done before the first shows nothing."""
_CLEARED = "\r\x1b[2K"


class Progress:
    """One line that is written anew, on a terminal only; lines that stay are said past it."""

    def __init__(self, out: TextIO, every: float = EVERY) -> None:
        self._out = out
        self._every = every
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._what = ""
        self._since = monotonic()
        self._shown = False

    def at(self, what: str) -> None:
        """What goes on from now on."""
        with self._lock:
            self._what, self._since = what, monotonic()

    def say(self, line: str) -> None:
        """A line that stays."""
        with self._lock:
            self._clear()
            print(line, file=self._out, flush=True)

    def show_until_over(self) -> None:
        """The work of a thread."""
        while not self._over.wait(self._every):
            with self._lock:
                if self._what:
                    print(f"{_CLEARED}{self._line()}", end="", file=self._out, flush=True)
                    self._shown = True

    def end(self) -> None:
        self._over.set()
        with self._lock:
            self._clear()

    def _line(self) -> str:
        return f"{self._what} … {monotonic() - self._since:.0f} s"

    def _clear(self) -> None:
        if self._shown:
            print(_CLEARED, end="", file=self._out, flush=True)
            self._shown = False


@contextmanager
def progress(what: str = "", out: TextIO | None = None, every: float = EVERY) -> Iterator[Progress]:
    """Shown until the block ends, however it does. `out`: stderr if unset."""
    to = sys.stderr if out is None else out
    shown = Progress(to, every)
    shown.at(what)
    thread = threading.Thread(target=shown.show_until_over, name="progress", daemon=True)
    if to.isatty():
        thread.start()
    try:
        yield shown
    finally:
        if thread.ident is not None:
            shown.end()
            thread.join()

"""What the program's watchdog is told: when the program is over, whatever it and everybody else does.

This process may be started again in the middle of a run, before a manager is there to repeat it: the word is
kept in a file beside the socket, by a clock that goes on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

from genvm_connector.program import accepted
from genvm_wire.orders import NEVER

WORD = struct.Struct("<q")
PAUSE_S = 0.2
"""Between two connections that are taken: a watchdog needs one."""


class Deadline:
    """Owns the listening socket. `until`: on the machine's monotonic clock; null: none."""

    def __init__(self, listener: socket.socket, file: Path) -> None:
        self._listener = listener
        self._file = file
        self._watchdog: socket.socket | None = None
        self.told, self.until = _read(file)

    def tell(self, milliseconds: int) -> None:
        """A manager's word; never waits."""
        self.told = True
        self.until = None if milliseconds == NEVER else time.monotonic() + milliseconds / 1000
        with suppress(OSError):
            self._file.write_text("never" if self.until is None else repr(self.until), "ascii")
            self._file.chmod(0o600)
        self._say()

    async def run(self) -> None:
        """Take the watchdog's connections, for ever; the newest counts."""
        try:
            while True:
                with suppress(OSError):
                    sock = await accepted(self._listener)
                    self._hang_up()
                    self._watchdog = sock
                    self._say()
                await asyncio.sleep(PAUSE_S)
        finally:
            self._hang_up()

    def _say(self) -> None:
        if self._watchdog is None or not self.told:
            return
        left = NEVER if self.until is None else max(0, int((self.until - time.monotonic()) * 1000))
        word = WORD.pack(left)
        try:
            if self._watchdog.send(word, socket.MSG_NOSIGNAL) == len(word):
                return
        except OSError:
            pass
        # Half a word, or none: the next connection gets a whole one.
        self._hang_up()

    def _hang_up(self) -> None:
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None


def _read(file: Path) -> tuple[bool, float | None]:
    try:
        if file.stat().st_uid != os.getuid():
            return False, None
        text = file.read_text("ascii")
        return True, None if text == "never" else float(text)
    except (OSError, ValueError):
        return False, None

"""The `genvm` program as a child process: input, output, log, end (host-protocol 4.2)."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

CHUNK = 64 * 1024
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108 - all it may write to
"""Nothing of the container's own: what is in it is the manager's and ours."""

Sink = Callable[[bytes], object]


class ProgramAbsent(Exception):
    """The program cannot be started; the text says why."""


class Program:
    """A running one. Each stream is read to its end: a reader that waits would stop it."""

    def __init__(
        self,
        path: Path,
        arguments: list[str],
        inherited: Iterable[int],
        sinks: tuple[Sink, Sink, Sink],
        log: int,
        *,
        directory: str,
    ) -> None:
        """`sinks` get the bytes of stdout, stderr and `log`. Raises ProgramAbsent."""
        try:
            self._process = subprocess.Popen(
                [str(path), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=tuple(inherited),
                cwd=directory,
                env=ENVIRONMENT,
            )
        except OSError as error:
            raise ProgramAbsent(f"{path} cannot be started: {error.strerror}") from error
        assert self._process.stdout is not None and self._process.stderr is not None
        descriptors = (self._process.stdout.fileno(), self._process.stderr.fileno(), log)
        self._readers = [
            threading.Thread(target=_drain, args=pair, daemon=True)
            for pair in zip(descriptors, sinks, strict=True)
        ]

    def serve(self, data: bytes) -> int:
        """Give it its input, wait for its end; the exit code, negative for a signal."""
        for reader in self._readers:
            reader.start()
        assert self._process.stdin is not None
        # One that ends before it has read everything: the result that is missing says so.
        with suppress(BrokenPipeError), self._process.stdin as stdin:
            stdin.write(data)
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        return code

    def end(self, *, gently: bool) -> None:
        """Ask it to come to an end, or end it. Thread-safe; of one that has ended nothing is asked."""
        self._process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)


def _drain(descriptor: int, sink: Sink) -> None:
    while data := os.read(descriptor, CHUNK):
        sink(data)

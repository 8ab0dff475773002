"""One executor process: a started interpreter that waits for its job, serves it, reports it, and ends."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from genvm_executor.control import ControlChannel
from genvm_executor.output import OutputTail, Streams
from genvm_executor.programs import Programs
from genvm_executor.service import Service
from genvm_executor.vm import Guest, GuestSurroundings
from genvm_wire.frames import FrameClosed

_log = logging.getLogger(__name__)


class NoJob(Exception):
    """The manager sent this executor away, or has gone, before there was a job."""


class Session:
    """Serves one run. `serve` gives the exit code: 0 after a result or without a job, 1 after a failure."""

    def __init__(self, channel: ControlChannel, programs: Programs, memory_limit: int) -> None:
        self._channel = channel
        self._programs = programs
        self._memory_limit = memory_limit
        self._stdout, self._stderr = OutputTail(), OutputTail()
        self._warm_program = programs.python()
        self._surroundings = GuestSurroundings(self._wait_for_job, self._stdout, self._stderr)
        self._guest = Guest(programs.engine, self._warm_program, self._surroundings)
        self._served: Service | None = None

    def serve(self) -> int:
        try:
            outcome = self._guest.run(self._memory_limit)
        except NoJob:
            return 0
        except BaseException as ending:  # every ending of a run is reported, whatever it is
            if self._served is None:
                raise
            return self._served.end(ending)
        if self._served is None:
            _log.error("the interpreter ended before it waited for a job: %s", outcome.payload)
            _log.error("%s", self._stderr.peek().decode("utf-8", "replace"))
            return 1
        return self._served.end(outcome)

    def _wait_for_job(self) -> bytes:
        """Called inside the guest's first read: its start message, once there is a job."""
        self._channel.ready(_own_name())
        try:
            frame, fds = self._channel.receive()
        except FrameClosed as error:
            raise NoJob(str(error)) from error
        if frame["kind"] != "job":
            _close_all(fds)
            raise NoJob(f"the manager sent {frame['kind']!r:.40}")
        streams = Streams(self._stdout, self._stderr)
        self._served = Service(
            self._channel, self._programs, streams, self._memory_limit, frame=frame, fds=fds
        )
        self._served.prepare()
        return self._served.warm_start(self._guest, self._warm_program, self._surroundings)


def _own_name() -> str:
    try:
        return f"genvm-executor {version('genvm-executor')}"
    except PackageNotFoundError:
        return "genvm-executor"


def _close_all(fds: list[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)

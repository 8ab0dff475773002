"""One executor: a started interpreter that waits for its job, serves it, reports it, and ends.

With `reuse` the interpreter forks before each wait, so that each run is served by a process of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import assert_never

from genvm_executor import VERSION
from genvm_executor.channel.control import ControlChannel, close_all
from genvm_executor.channel.succession import LEAVE, Relieved, Succession
from genvm_executor.machine.outcome import VmOutcome
from genvm_executor.machine.output import OutputTail, Streams
from genvm_executor.machine.vm import Guest, GuestSurroundings
from genvm_executor.python.programs import Programs
from genvm_executor.python.source_code import compile_source
from genvm_executor.service import Service, Unserved
from genvm_wire.frames import FrameClosed
from genvm_wire.instance_messages import (
    Ack,
    Cancel,
    Code,
    Compile,
    Compiled,
    Exit,
    JobMessage,
    Nested,
    ToInstance,
)
from genvm_wire.messages import MessageInvalid

NAME = f"genvm-executor {VERSION}"

_log = logging.getLogger(__name__)


class NoJob(Exception):
    """The manager sent this executor away, or has gone, before there was a job."""


class ExecutorSession:
    """Serves one run per process. `idle` is how many seconds a channel that breaks before there is a job is
    tried again: a manager that was restarted finds its ready instances. `confine` is called in the process
    that serves a run, before it reads its job.

    `serve` gives the exit code: 0 after a result or without a job, 1 after a failure; in a fork see
    `succession`.
    """

    def __init__(
        self,
        channel: ControlChannel,
        programs: Programs,
        memory_limit: int,
        *,
        succession: Succession | None = None,
        idle: float = 0.0,
        confine: Callable[[], None] | None = None,
    ) -> None:
        self._channel = channel
        self._programs = programs
        self._memory_limit = memory_limit
        self._succession = succession or Succession()
        self._idle = idle
        self._confine = confine or (lambda: None)
        self._stdout, self._stderr = OutputTail(), OutputTail()
        self._warm_program = programs.python()
        self._surroundings = GuestSurroundings(self._wait_for_job, self._stdout, self._stderr)
        self._guest = Guest(programs.engine, self._warm_program, self._surroundings)
        self._served: Unserved | Service | None = None

    def serve(self) -> int:
        try:
            outcome = self._guest.run(self._memory_limit)
        except Relieved as relieved:
            return relieved.code
        except NoJob:
            return LEAVE if self._succession.forked else 0
        except BaseException as ending:  # every ending of a run is reported, whatever it is
            if self._served is None:
                raise
            return self._ended(self._served, ending)
        if self._served is None:
            _log.error("the interpreter ended before it waited for a job: %s", outcome.payload)
            _log.error("%s", self._stderr.peek().decode("utf-8", "replace"))
            return 1
        return self._ended(self._served, outcome)

    def _ended(self, served: Unserved | Service, ending: VmOutcome | BaseException) -> int:
        code = served.end(ending)
        return LEAVE if self._succession.forked and code == 0 and not served.acknowledged else code

    def _wait_for_job(self) -> bytes:
        """Called inside the guest's first read: its start message, once there is a job."""
        self._succession.begin_run()
        self._confine()
        said, fds = self._first_job()
        streams = Streams(self._stdout, self._stderr)
        self._served = Unserved(self._channel, said.run)
        self._served = service = Service.of_message(
            self._channel, self._programs, streams, self._memory_limit, said=said, fds=fds
        )
        return service.warm_start(self._guest, self._warm_program, self._surroundings)

    def _first_job(self) -> tuple[JobMessage, list[int]]:
        """Raises NoJob, MessageInvalid."""
        try:
            message, fds = self._first_message()
        except MessageInvalid as invalid:
            self._served = Unserved(self._channel, invalid.run)
            raise
        match message:
            case JobMessage():
                return message, fds
            case Compile():
                close_all(fds)
                self._compile(message.source)
                raise NoJob("it has compiled")
            case Cancel() | Ack() | Exit() | Nested() | Code():
                close_all(fds)
                raise NoJob(f"the manager sent {message.kind!r}")
            case _:
                assert_never(message)

    def _compile(self, source: bytes) -> None:
        made = compile_source(self._programs, source)
        self._channel.send(Compiled(self._programs.compiler, made.code, made.fuel))

    def _first_message(self) -> tuple[ToInstance, list[int]]:
        while True:
            succession = self._succession
            self._channel.ready(NAME, succession.served, succession.runs, succession.word)
            try:
                return self._channel.receive()
            except FrameClosed as error:
                if not self._channel.connect_again(self._idle):
                    raise NoJob(str(error)) from error

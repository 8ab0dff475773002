"""One job served by the program, and reported."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from genvm_executor.channel.account import Account
from genvm_executor.channel.control import ControlChannel, close_all
from genvm_executor.channel.run_log import RunLog
from genvm_executor.channel.watch import Deadline, Watch
from genvm_executor.machine.output import OutputTail
from genvm_release.arguments import Descriptors, arguments
from genvm_release.early import EARLY, early_arguments, early_input
from genvm_release.execution_data import execution_data
from genvm_release.log_lines import LogLines
from genvm_release.manager_host import ManagerHost
from genvm_release.node_relay import NodeRelay
from genvm_release.program import Program, ProgramAbsent
from genvm_release.unsuitable import Unsuitable, check_suitable, not_let_in
from genvm_wire.calldata import Encodable
from genvm_wire.confinement import hide_memory
from genvm_wire.instance_messages import INLET, JobMessage
from genvm_wire.records import record

_log = logging.getLogger(__name__)

ENDED_GENTLY = frozenset({*EARLY, "T9w"})
"""Tables whose executors end with the VM error `timeout` when asked to. Later ones know no signal."""
NODE = "host"
MODULES = ("llm", "web")


class Host(Protocol):
    """Who the program tells its result.

    `broken`: what of it was wrong, `failure` the class of that; `delivered`: the node has acknowledged it.
    """

    result: bytes | None
    broken: str | None
    failure: str

    @property
    def delivered(self) -> bool: ...

    def start(self) -> None:
        """Serve it."""

    def finish(self, *, at_once: bool) -> None:
        """It has ended; `at_once`: nothing that it said before counts any more."""


@record
class Given:
    """What a program is started with: its input, arguments, descriptors, and where."""

    data: bytes
    words: list[str]
    passed: tuple[int, ...]
    host: Host
    directory: str


class Serving:
    """Of one job. `sockets` are descriptors by name, closed at the end."""

    def __init__(self, channel: ControlChannel, job: JobMessage, sockets: Mapping[str, int]) -> None:
        self._job = job
        self._sockets = sockets
        self._outputs = {"stdout": OutputTail(), "stderr": OutputTail()}
        for tail in self._outputs.values():
            tail.restart(job.output_limit)
        self._log = RunLog(job.log_limit)
        self._lines = LogLines()
        self._program: Program | None = None
        self._cancelled = False
        deadline = Deadline.starting_now(job.deadline_ms, job.grace_ms)
        deadline.arm_kernel_timer()
        self._account = Account(
            channel, job.run, self._outputs, self._log, until=deadline.cancel_at, cancel=self.cancel
        )
        self._watch = Watch(self._account.reporter, deadline, self.cancel, self._kill)

    def serve(self, program: Path) -> int:
        """Run it, report, wait for the acknowledgement; 0 after a result, 1 after a failure."""
        self._watch.catch_termination()
        self._account.listen()
        self._watch.start()
        try:
            code = self._run(program)
        except Unsuitable as unsuitable:
            code = self._fail("protocol", str(unsuitable))
        except ProgramAbsent as absent:
            code = self._fail("internal", str(absent))
        except Exception as defect:  # the boundary: a run whose outcome nobody is told counts as lost
            _log.exception("the run could not be served")
            code = self._fail("internal", f"{type(defect).__name__}: {defect}")
        self._account.settle()
        self._watch.stop()
        return code

    def cancel(self) -> None:
        """End soon. Thread-safe, idempotent."""
        if self._cancelled:
            return
        self._cancelled = True
        if self._program is not None:
            self._program.end(gently=self._job.host_table in ENDED_GENTLY)
        self._watch.cancelled()

    def _kill(self) -> None:
        if self._program is not None:
            self._program.end(gently=False)

    def _run(self, path: Path) -> int:
        check_suitable(self._job)
        log_read, log_write = os.pipe()
        given = self._given_early(log_write) if self._job.host_table in EARLY else self._given(log_write)
        host = given.host
        passed = (log_write, *given.passed)
        sinks = (self._outputs["stdout"].write, self._outputs["stderr"].write, self._take_log)
        try:
            self._program = Program(path, given.words, passed, sinks, log_read, directory=given.directory)
        finally:
            # The program has its own; one that stayed open here would hide its end from node and modules.
            for number in passed:
                os.close(number)
        if self._cancelled:
            self._kill()
        host.start()
        code = self._program.serve(given.data)
        host.finish(at_once=self._cancelled)
        os.close(log_read)
        self._add(self._lines.end())
        return self._report(code, host)

    def _given(self, log: int) -> Given:
        """Where the program inherits its node's connection, and one to its manager."""
        data = execution_data(self._job)
        ours, theirs = socket.socketpair()
        modules = {name: number for name, number in self._sockets.items() if name in MODULES}
        words = arguments(self._job, Descriptors(log, self._sockets[NODE], theirs.fileno(), modules))
        host = ManagerHost(ours, self._job.host_table, lambda text: self._log.add("warn", text))
        return Given(data, words, (theirs.detach(), *self._sockets.values()), host, "/")

    def _given_early(self, log: int) -> Given:
        """Where it dials its node itself, and its modules: those it does not find."""
        if INLET not in self._sockets:
            raise not_let_in(self._job.host_table)
        data, words = early_input(self._job), early_arguments(self._job, log)
        hide_memory()
        sockets = dict(self._sockets)
        node, inlet = sockets.pop(NODE), sockets.pop(INLET)
        host = NodeRelay(node, inlet, self._job.host_table, self._job.fuel_width, self._kill)
        if sockets:
            self._log.add("warn", f"this release has no way to its modules ({', '.join(sockets)})")
        close_all(list(sockets.values()))
        return Given(data, words, (), host, ".")

    def _take_log(self, data: bytes) -> None:
        self._add(self._lines.feed(data))

    def _add(self, records: Iterable[dict[str, Encodable]]) -> None:
        for one in records:
            self._log.take(one)

    def _report(self, code: int, host: Host) -> int:
        if host.broken is not None or code != 0 or not host.result:
            # Of these tables one that says what it may not say is killed for that.
            died = code < 0 and (host.broken is None or self._job.host_table not in EARLY)
            failure = "internal" if self._cancelled else "signal" if died else host.failure
            return self._fail(failure, _crash(code, host, cancelled=self._cancelled))
        self._account.reporter.finishing()
        self._account.reporter.result(host.result[0], host.result, host.delivered, self._stats())
        return 0

    def _stats(self) -> dict[str, int]:
        totals = {f"{name}_total": tail.total for name, tail in self._outputs.items()}
        return totals | {"log_total": self._log.total}

    def _fail(self, failure: str, message: str) -> int:
        self._account.reporter.failed(failure, message)
        return 1


def _crash(code: int, host: Host, *, cancelled: bool) -> str:
    """Why there is no result that counts."""
    if host.broken is not None:
        return host.broken
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if cancelled:
        return f"the executor was ended ({how}) before it had a result"
    if code == 0:
        return "the executor ended without a result"
    return f"the executor ended with {how}"

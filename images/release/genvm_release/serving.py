"""One job served by the program, and reported."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from genvm_executor.channel.account import Account
from genvm_executor.channel.control import ControlChannel
from genvm_executor.channel.run_log import RunLog
from genvm_executor.channel.watch import Deadline, Watch
from genvm_executor.machine.output import OutputTail
from genvm_release.arguments import Descriptors, arguments
from genvm_release.execution_data import execution_data
from genvm_release.log_lines import LogLines
from genvm_release.manager_host import ManagerHost
from genvm_release.program import Program, ProgramAbsent
from genvm_release.unsuitable import Unsuitable
from genvm_wire.calldata import Encodable
from genvm_wire.instance_messages import JobMessage

_log = logging.getLogger(__name__)

ENDED_GENTLY = frozenset({"T9w"})
"""Tables whose executors end with the VM error `timeout` when asked to. Later ones know no signal."""
NODE = "host"


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
        data = execution_data(self._job)
        ours, theirs = socket.socketpair()
        log_read, log_write = os.pipe()
        inherited = Descriptors(
            log_write,
            self._sockets[NODE],
            theirs.fileno(),
            {name: number for name, number in self._sockets.items() if name != NODE},
        )
        words = arguments(self._job, inherited)
        host = ManagerHost(ours, self._job.host_table, lambda text: self._log.add("warn", text))
        passed = (log_write, theirs.fileno(), *self._sockets.values())
        sinks = (self._outputs["stdout"].write, self._outputs["stderr"].write, self._take_log)
        try:
            self._program = Program(path, words, passed, sinks, log_read)
        finally:
            # The program has its own; one that stayed open here would hide its end from node and modules.
            theirs.close()
            for number in (log_write, *self._sockets.values()):
                os.close(number)
        if self._cancelled:
            self._kill()
        host.start()
        code = self._program.serve(data)
        host.join()
        os.close(log_read)
        self._add(self._lines.end())
        return self._report(code, host)

    def _take_log(self, data: bytes) -> None:
        self._add(self._lines.feed(data))

    def _add(self, records: Iterable[dict[str, Encodable]]) -> None:
        for record in records:
            self._log.take(record)

    def _report(self, code: int, host: ManagerHost) -> int:
        if host.broken is not None or code != 0 or not host.result:
            failure = "internal" if self._cancelled else "signal" if code < 0 else "exited"
            return self._fail(failure, _crash(code, host, cancelled=self._cancelled))
        self._account.reporter.finishing()
        self._account.reporter.result(host.result[0], host.result, False, self._stats())
        return 0

    def _stats(self) -> dict[str, int]:
        totals = {f"{name}_total": tail.total for name, tail in self._outputs.items()}
        return totals | {"log_total": self._log.total}

    def _fail(self, failure: str, message: str) -> int:
        self._account.reporter.failed(failure, message)
        return 1


def _crash(code: int, host: ManagerHost, *, cancelled: bool) -> str:
    """Why there is no result that counts."""
    if host.broken is not None:
        return host.broken
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    if cancelled:
        return f"the executor was ended ({how}) before it had a result"
    if code == 0:
        return "the executor ended without a result"
    return f"the executor ended with {how}"

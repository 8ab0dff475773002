"""One job, from the moment it arrives to the manager's acknowledgement of its outcome."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from genvm_executor.channel.control import ControlChannel, ControlReader
from genvm_executor.channel.job import Job, JobInvalid, parse_job
from genvm_executor.channel.reporter import Reporter
from genvm_executor.channel.run_log import RunLog
from genvm_executor.channel.watch import Deadline, Watch
from genvm_executor.host import HostClient, HostLost, HostRefused
from genvm_executor.host.internal_errors import internal_error_text
from genvm_executor.machine.outcome import Outcome, RunBroken, RunCancelled, VmFault, vm_error
from genvm_executor.machine.output import Streams
from genvm_executor.machine.vm import Guest, GuestProgram, GuestSurroundings
from genvm_executor.modules.client import ModuleClient
from genvm_executor.modules.session import module_client
from genvm_executor.python.programs import Programs
from genvm_executor.requests.delivery import deliver
from genvm_executor.requests.entry import entry_frame, needs_calldata
from genvm_executor.requests.leader_results import surplus_fault
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.virtual_machines import VirtualMachines
from genvm_executor.requests.vm_frame import VmFrame
from genvm_wire.calldata import Value
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.results import ResultCode

ACK_SECONDS = 5.0

_log = logging.getLogger(__name__)


class StartCold(Exception):
    """The job needs another program than the interpreter that waited for it."""


class Service:
    """Serves the job in `frame`; `fds` are its attached descriptors, owned from here on."""

    def __init__(
        self,
        channel: ControlChannel,
        programs: Programs,
        streams: Streams,
        memory_limit: int,
        *,
        frame: Mapping[str, Value],
        fds: list[int],
    ) -> None:
        self._channel = channel
        self._programs = programs
        self._streams = streams
        self._memory_limit = memory_limit
        self._frame = frame
        self._fds = fds
        self._started = time.monotonic()
        run_id = frame.get("run")
        self._run_id = run_id if isinstance(run_id, int) else -1
        self._log = RunLog(0)
        self._reporter = Reporter(channel, self._run_id, streams.by_name(), self._log)
        self._reader = ControlReader(channel, self._run_id, self.cancel, self._reporter.resume)
        self._deadline = Deadline.starting_now(0, 0)
        self._watch: Watch | None = None
        self._host_socket: socket.socket | None = None
        self._modules: ModuleClient | None = None
        self._run: RunState | None = None
        self._vm_frame: VmFrame | None = None
        self._warm: Guest | None = None
        self._guest_us = 0

    def prepare(self) -> None:
        """Check the job, start the threads beside it, connect to the node's socket.

        Raises JobInvalid, VmFault, HostRefused, HostLost.
        """
        try:
            job = parse_job(self._frame)
            self._start_watching(job)
            self._run = self._run_state(job)
        finally:
            for fd in self._fds:
                os.close(fd)

    def _start_watching(self, job: Job) -> None:
        self._log = RunLog(job.log_limit)
        for tail in self._streams.by_name().values():
            tail.restart(job.output_limit)
        self._reporter = Reporter(self._channel, job.run, self._streams.by_name(), self._log)
        self._deadline = Deadline.starting_now(job.deadline_ms, job.grace_ms)
        self._deadline.arm_kernel_timer()
        self._watch = Watch(self._reporter, self._deadline, self.cancel, self._abandon)
        self._watch.catch_termination()
        self._reader = ControlReader(self._channel, job.run, self.cancel, self._reporter.resume)

    def _run_state(self, job: Job) -> RunState:
        table = HOST_TABLES.get(job.host_table)
        if table is None:
            raise JobInvalid(f"job key 'host_table': unknown table {job.host_table!r}")
        if len(job.sockets) != len(self._fds) or "host" not in job.sockets:
            raise JobInvalid(f"job key 'sockets': {list(job.sockets)} with {len(self._fds)} descriptors")
        self._host_socket = self._copy(job, "host")
        self._host_socket.setblocking(True)
        node = HostClient(self._host_socket, table, job.fuel_width)
        if needs_calldata(job, table):
            node.ask_calldata()
        run = RunState(job, node, self._log, memory_limit=self._memory_limit)
        run.modules = self._modules = module_client(
            job, {name: self._copy(job, name) for name in job.sockets if name != "host"}, node, run.cancelled
        )
        return run

    def _copy(self, job: Job, name: str) -> socket.socket:
        """A descriptor of the job as a connection of its own: the original is closed with the others."""
        return socket.socket(fileno=os.dup(self._fds[job.sockets.index(name)]))

    def warm_start(self, guest: Guest, program: GuestProgram, surroundings: GuestSurroundings) -> bytes:
        """Give the waiting guest its job; the bytes of its start message.

        Raises StartCold when it cannot serve this job, VmFault, HostRefused, HostLost.
        """
        run = self._need_run()
        if self._watch is not None:
            self._reader.start()
            self._watch.start()
        machines = VirtualMachines(run, self._programs, self._streams)
        try:
            self._vm_frame = entry_frame(run)
            launch = machines.plan(self._vm_frame)
        except VmFault as fault:
            machines.explain(fault)
            raise
        if not launch.fits_started_interpreter:
            raise StartCold
        for path, data in launch.files.items():
            program.files.add(path, data)
        self._warm = guest
        run.live.append((True, guest))
        return machines.equip(surroundings, self._vm_frame)

    def _need_run(self) -> RunState:
        if self._run is None:
            raise JobInvalid("no job was prepared")
        return self._run

    def cancel(self) -> None:
        """End the run soon with the VM error `timeout`. Thread-safe, idempotent."""
        if self._run is not None:
            self._run.cancelled.set()
            self._run.modules.interrupt()
        self._programs.engine.increment_epoch()
        if self._watch is not None:
            self._watch.cancelled()

    def _abandon(self) -> None:
        """The run was cancelled and still waits for the node: nothing but this ends its wait."""
        if self._host_socket is not None:
            with suppress(OSError):
                self._host_socket.shutdown(socket.SHUT_RDWR)

    def end(self, ending: Outcome | BaseException) -> int:
        """Report how the run ended, wait for the acknowledgement; the process's exit code.

        The channel stays open: the process's end closes it, and other processes may use it.
        """
        if isinstance(ending, StartCold):
            ending = self._run_cold()
        try:
            code = self._report(ending)
        except Exception as defect:  # the boundary: a run whose outcome nobody is told counts as lost
            _log.exception("the outcome could not be delivered")
            code = self._fail("internal", f"{type(defect).__name__}: {defect}")
        self._wait_for_acknowledgement()
        if self._watch is not None:
            self._watch.stop()
        return code

    @property
    def acknowledged(self) -> bool:
        """Whether the manager has the outcome and may have another job."""
        return self._reader.acknowledged.is_set() and not self._reader.dismissed

    def _run_cold(self) -> Outcome | BaseException:
        run, frame = self._need_run(), self._vm_frame
        if frame is None:
            return JobInvalid("no job was prepared")
        try:
            return VirtualMachines(run, self._programs, self._streams).execute(frame)
        except BaseException as ending:  # reported as any other ending
            return ending

    def _report(self, ending: Outcome | BaseException) -> int:
        self._guest_us = int((time.monotonic() - self._started) * 1_000_000)
        match ending:
            case Outcome():
                return self._finish(ending)
            case VmFault(text=text):
                return self._finish(vm_error(text))
            case HostRefused(vm_error_text=text):
                return self._finish(vm_error(text))
            case RunCancelled():
                return self._finish(vm_error("timeout"))
            case RunBroken():
                self._log.add("error", ending.text)
                return self._finish(self._broken(ending))
            case JobInvalid():
                return self._fail("protocol", str(ending))
            case HostLost():
                return self._fail("upstream", str(ending))
            case _:
                _log.error("the run ended unexpectedly", exc_info=ending)
                return self._fail("internal", f"{type(ending).__name__}: {ending}")

    def _finish(self, outcome: Outcome) -> int:
        run = self._need_run()
        self._count_warm(run)
        outcome = self._judged(run, outcome)
        self._reporter.finishing()
        try:
            delivered = deliver(run, self._vm_frame, outcome)
        except HostLost as lost:
            return self._fail("upstream", str(lost))
        finally:
            run.node.close()
            self._leave_modules()
        self._reporter.result(delivered.code, delivered.payload, delivered.acknowledged, self._stats(run))
        return 0

    def _broken(self, ending: RunBroken) -> Outcome:
        form = self._need_run().node.table.result_form
        text = internal_error_text(form, ending.text, ending.cause)
        return Outcome(ResultCode.INTERNAL_ERROR, text.encode("utf-8", "replace"))

    @staticmethod
    def _judged(run: RunState, outcome: Outcome) -> Outcome:
        """A contract that came to its end shows whether its leader gave results for no block."""
        ended = outcome.code in {ResultCode.RETURN, ResultCode.USER_ERROR} and not run.cancelled.is_set()
        fault = surplus_fault(run) if ended else None
        return outcome if fault is None else vm_error(fault)

    def _count_warm(self, run: RunState) -> None:
        if self._warm is not None:
            run.live.clear()
            run.counters.fuel += self._warm.usage.fuel
            run.counters.memory_peak = max(run.counters.memory_peak, self._warm.usage.memory)

    def _stats(self, run: RunState) -> dict[str, int]:
        return {
            "fuel": run.counters.fuel,
            "memory_peak": run.counters.memory_peak,
            "guest_us": self._guest_us,
            "storage_reads": run.storage_reads,
            "storage_writes": 0 if self._vm_frame is None else self._vm_frame.storage.writes,
            "stdout_total": self._streams.stdout.total,
            "stderr_total": self._streams.stderr.total,
            "log_total": self._log.total,
        }

    def _fail(self, failure: str, message: str) -> int:
        if self._run is not None:
            self._run.node.close()
        self._leave_modules()
        self._reporter.failed(failure, message)
        return 1

    def _leave_modules(self) -> None:
        if self._modules is not None:
            self._modules.close()

    def _wait_for_acknowledgement(self) -> None:
        if self._reader.ident is None:
            self._reader.start()
        # A manager that is killed now may take its time to come back: the result must still be here then.
        self._reader.acknowledged.wait(max(self._deadline.cancel_at - time.monotonic(), ACK_SECONDS))

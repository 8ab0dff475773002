"""One job, from the moment it arrives to the manager's acknowledgement of its outcome."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from genvm_executor.channel.account import Account
from genvm_executor.channel.codes import Codes
from genvm_executor.channel.control import ControlChannel
from genvm_executor.channel.job import Job, job_of, wrong
from genvm_executor.channel.nesting import Nesting
from genvm_executor.channel.run_log import RunLog
from genvm_executor.channel.watch import Deadline, Watch
from genvm_executor.host import HostClient, HostLost, HostRefused
from genvm_executor.host.internal_errors import internal_error_text
from genvm_executor.machine.engine import metered
from genvm_executor.machine.outcome import RunBroken, RunCancelled, VmFault, VmOutcome, vm_error
from genvm_executor.machine.output import Streams
from genvm_executor.machine.vm import Guest, GuestProgram, GuestSurroundings
from genvm_executor.modules.session import module_client
from genvm_executor.python.programs import Programs
from genvm_executor.requests.delivery import deliver
from genvm_executor.requests.entry import entry_frame, needs_calldata
from genvm_executor.requests.leader_results import surplus_fault
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.virtual_machines import VirtualMachines
from genvm_executor.requests.vm_frame import VmFrame
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import JobMessage
from genvm_wire.messages import MessageInvalid
from genvm_wire.results import ResultCode

_log = logging.getLogger(__name__)


class StartCold(Exception):
    """The job needs another program than the interpreter that waited for it."""


class Unserved:
    """A job that has arrived and is not understood yet: all that can come of it is a failure.

    `run` is None where it does not even name one.
    """

    def __init__(self, channel: ControlChannel, run: int | None) -> None:
        named = -1 if run is None else run
        self._account = Account(channel, named, {}, RunLog(0), until=0.0, cancel=lambda: None)

    def end(self, ending: VmOutcome | BaseException) -> int:
        """Report why it failed, wait for the acknowledgement; the process's exit code."""
        if isinstance(ending, MessageInvalid):
            self._account.reporter.failed("protocol", str(ending))
        else:
            _log.error(
                "the job could not be begun", exc_info=ending if isinstance(ending, BaseException) else None
            )
            self._account.reporter.failed("internal", f"{type(ending).__name__}: {ending}")
        self._account.settle()
        return 1

    @property
    def acknowledged(self) -> bool:
        """See `Account`."""
        return self._account.acknowledged


class Service:
    """Serves `job`; `sockets` are its connections by name, owned from here on. The clock runs from here."""

    def __init__(
        self,
        channel: ControlChannel,
        programs: Programs,
        streams: Streams,
        memory_limit: int,
        *,
        job: Job,
        sockets: Mapping[str, socket.socket],
    ) -> None:
        self._channel = channel
        self._programs = programs
        self._streams = streams
        self._started = time.monotonic()
        deadline = Deadline.starting_now(job.deadline_ms, job.grace_ms)
        deadline.arm_kernel_timer()
        for tail in streams.by_name().values():
            tail.restart(job.output_limit)
        self._log = RunLog(job.log_limit)
        node = HostClient(sockets["host"], HOST_TABLES[job.host_table], job.fuel_width)
        cancelled = threading.Event()
        modules = {name: sock for name, sock in sockets.items() if name != "host"}
        self._modules = module_client(job, modules, node, lambda: self._run.job.line, cancelled)
        self._run = run = RunState(
            job,
            node,
            self._log,
            modules=self._modules,
            nesting=Nesting(channel, cancelled),
            codes=Codes(channel, job.run, cancelled) if job.codes else None,
            memory_limit=memory_limit,
            cancelled=cancelled,
        )
        self._account = Account(
            channel,
            job.run,
            streams.by_name(),
            self._log,
            until=deadline.cancel_at,
            cancel=self.cancel,
            nesting=run.nesting,
            codes=run.codes,
        )
        self._reporter = self._account.reporter
        self._watch = Watch(self._reporter, deadline, self.cancel, self._abandon)
        self._watch.catch_termination()
        self._host_socket = sockets["host"]
        self._vm_frame: VmFrame | None = None
        self._warm: Guest | None = None
        self._guest_us = 0

    @classmethod
    def of_message(
        cls,
        channel: ControlChannel,
        programs: Programs,
        streams: Streams,
        memory_limit: int,
        *,
        said: JobMessage,
        fds: list[int],
    ) -> Service:
        """For the job that was `said` with these descriptors, which are closed. Raises MessageInvalid."""
        try:
            job = job_of(said)
            sockets = _sockets(job, fds)
        finally:
            for fd in fds:
                os.close(fd)
        return cls(channel, programs, streams, memory_limit, job=job, sockets=sockets)

    def warm_start(self, guest: Guest, program: GuestProgram, surroundings: GuestSurroundings) -> bytes:
        """Give the waiting guest its job; the bytes of its start message.

        Raises StartCold when it cannot serve this job, VmFault, HostRefused, HostLost.
        """
        run = self._run
        if needs_calldata(run.job, run.node.table):
            run.node.ask_calldata()
        self._account.listen()
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
        return machines.equip(surroundings, self._vm_frame, launch, program.files)

    def cancel(self) -> None:
        """End the run soon with the VM error `timeout`. Thread-safe, idempotent."""
        self._run.cancelled.set()
        self._run.modules.interrupt()
        self._programs.engine.increment_epoch()
        self._watch.cancelled()

    def _abandon(self) -> None:
        """The run was cancelled and still waits for the node: nothing but this ends its wait."""
        with suppress(OSError):
            self._host_socket.shutdown(socket.SHUT_RDWR)

    def end(self, ending: VmOutcome | BaseException) -> int:
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
        self._account.settle()
        self._watch.stop()
        return code

    @property
    def acknowledged(self) -> bool:
        """See `Account`."""
        return self._account.acknowledged

    def _run_cold(self) -> VmOutcome | BaseException:
        assert self._vm_frame is not None
        try:
            return VirtualMachines(self._run, self._programs, self._streams).execute(self._vm_frame)
        except BaseException as ending:  # reported as any other ending
            return ending

    def _report(self, ending: VmOutcome | BaseException) -> int:
        self._guest_us = int((time.monotonic() - self._started) * 1_000_000)
        match ending:
            case VmOutcome():
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
            case HostLost():
                return self._fail("upstream", str(ending))
            case _:
                _log.error("the run ended unexpectedly", exc_info=ending)
                return self._fail("internal", f"{type(ending).__name__}: {ending}")

    def _finish(self, outcome: VmOutcome) -> int:
        run = self._run
        self._count_warm(run)
        outcome = self._judged(run, outcome)
        self._reporter.finishing()
        try:
            delivered = deliver(run, self._vm_frame, outcome)
        except HostLost as lost:
            return self._fail("upstream", str(lost))
        finally:
            run.node.close()
            self._modules.close()
        self._reporter.result(delivered.code, delivered.payload, delivered.acknowledged, self._stats(run))
        return 0

    def _broken(self, ending: RunBroken) -> VmOutcome:
        form = self._run.node.table.result_form
        text = internal_error_text(form, ending.text, ending.cause)
        return VmOutcome(ResultCode.INTERNAL_ERROR, text.encode("utf-8", "replace"))

    @staticmethod
    def _judged(run: RunState, outcome: VmOutcome) -> VmOutcome:
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
        fuel = {"fuel": run.counters.fuel} if metered() else {}
        return fuel | {
            "memory_peak": run.counters.memory_peak,
            "guest_us": self._guest_us,
            "storage_reads": run.storage_reads,
            "storage_writes": 0 if self._vm_frame is None else self._vm_frame.storage.writes,
            "stdout_total": self._streams.stdout.total,
            "stderr_total": self._streams.stderr.total,
            "log_total": self._log.total,
        }

    def _fail(self, failure: str, message: str) -> int:
        self._run.node.close()
        self._modules.close()
        self._reporter.failed(failure, message)
        return 1


def _sockets(job: Job, fds: list[int]) -> dict[str, socket.socket]:
    """The job's connections by name, each a descriptor of its own. Raises MessageInvalid."""
    if job.host_table not in HOST_TABLES:
        raise wrong("host_table", f"unknown table {job.host_table!r}")
    if len(job.sockets) != len(fds) or "host" not in job.sockets:
        raise wrong("sockets", f"{list(job.sockets)} with {len(fds)} descriptors")
    sockets = {name: socket.socket(fileno=os.dup(fd)) for name, fd in zip(job.sockets, fds, strict=True)}
    sockets["host"].setblocking(True)
    return sockets

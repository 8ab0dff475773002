"""Runs the VMs of a run: the one for the entry, and those that it asks for."""

from __future__ import annotations

from genvm_executor.machine.outcome import VmFault, VmOutcome, vm_error
from genvm_executor.machine.output import Streams
from genvm_executor.machine.vm import Guest, GuestSurroundings, os_random
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.machine.wasi.random import GuestRandom
from genvm_executor.python.library import first_words
from genvm_executor.python.programs import Programs
from genvm_executor.requests.children import ChildVms
from genvm_executor.requests.compiled_code import code_for
from genvm_executor.requests.contract_requests import ContractRequests
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.vm_frame import VmFrame
from genvm_wire.runner_actions import Launch


class VirtualMachines:
    """Everything that is needed to run any VM of one run."""

    def __init__(self, run: RunState, programs: Programs, streams: Streams) -> None:
        self._run = run
        self._programs = programs
        self._streams = streams
        self._children = ChildVms(run, self.execute)

    def plan(self, frame: VmFrame) -> Launch:
        """What a VM's code wants to be started as. Raises VmFault."""
        job = self._run.job
        return self._programs.plan(
            frame.code,
            depends=frame.depends,
            line=job.line,
            debug=job.debug,
            deterministic=frame.rights.deterministic,
        )

    def explain(self, fault: VmFault) -> None:
        """Say in the log and on stderr why code was refused: results hold the bare code of the error."""
        if fault.detail:
            self._run.log.add("error", f"{fault.text}: {fault.detail}")
            self._streams.stderr.write(f"{fault.text}: {fault.detail}\n".encode("utf-8", "replace"))

    def equip(
        self, surroundings: GuestSurroundings, frame: VmFrame, launch: Launch, files: FileSystem
    ) -> bytes:
        """Tell a guest that sees `files` what its VM is; the bytes that it begins with.

        Raises RunCancelled.
        """
        job = self._run.job
        start = frame.start_message(job.message, job.line)
        surroundings.line = job.line
        surroundings.now_ns = job.message.now_ns
        surroundings.requests = ContractRequests(self._run, frame, self._children, files)
        if frame.rights.deterministic and job.line.random_from_start:
            surroundings.random_bytes = GuestRandom.from_start(start).take
        if launch.wasm is not None:
            return start
        return first_words(job.line, code_for(self._run, self._programs, launch)) + start

    def execute(self, frame: VmFrame) -> VmOutcome:
        """Run one VM from a fresh guest to its outcome. Raises RunCancelled, RunBroken, HostLost."""
        self._run.check_cancelled()
        deterministic = frame.rights.deterministic
        try:
            launch = self.plan(frame)
            program = self._programs.build(launch, self._run.job.line, deterministic=deterministic)
        except VmFault as fault:
            self.explain(fault)
            return vm_error(fault.text)
        surroundings = GuestSurroundings(
            lambda: b"", self._streams.stdout, self._streams.stderr, explain=self.explain
        )
        if not deterministic:
            surroundings.random_bytes = os_random
        if launch.wasm is None:
            # As in a guest that was started before its job: it learns of it at its first read, or the same
            # run would see other bytes warm and cold.
            surroundings.line = self._run.job.line
            surroundings.start = lambda: self.equip(surroundings, frame, launch, program.files)
        else:
            start = self.equip(surroundings, frame, launch, program.files)
            surroundings.start = lambda: start
        return self.run_guest(Guest(self._programs.engine, program, surroundings), deterministic)

    def run_guest(self, guest: Guest, deterministic: bool) -> VmOutcome:
        """Run a guest within what the VMs waiting for it left of their mode's memory."""
        run = self._run
        run.check_cancelled()
        limit = run.memory_left(deterministic)
        run.live.append((deterministic, guest))
        try:
            return guest.run(limit)
        finally:
            run.live.pop()
            self.count(guest, deterministic)

    def count(self, guest: Guest, deterministic: bool) -> None:
        """Add what an ended guest used."""
        run = self._run
        run.counters.fuel += guest.usage.fuel
        held = guest.usage.memory + run.memory_in_use(deterministic)
        run.counters.memory_peak = max(run.counters.memory_peak, held)

"""The compiled code that a run's VMs begin with: had already, asked for, or made."""

from __future__ import annotations

import hashlib

from genvm_executor.python.programs import Programs
from genvm_executor.python.source_code import CompiledSource, compile_source, source_in
from genvm_executor.requests.run_state import RunState
from genvm_wire.runner_actions import Launch

MOST_KEPT = 8


def code_for(run: RunState, programs: Programs, launch: Launch) -> bytes:
    """What a VM loads instead of compiling; empty where it compiles by itself. Raises RunCancelled.

    Its fuel is the run's, as if the VM had compiled: by whom it was done must not show.
    """
    source = source_in(launch, programs)
    if source is None:
        return b""
    found = run.compiled.get(source)
    if found is None:
        if len(run.compiled) >= MOST_KEPT:
            run.compiled.clear()
        found = run.compiled[source] = _asked_or_made(run, programs, source)
    run.counters.fuel += found.fuel
    return found.code


def _asked_or_made(run: RunState, programs: Programs, source: bytes) -> CompiledSource:
    codes = run.codes
    if codes is not None:
        answer = codes.ask(programs.compiler, hashlib.sha256(source).digest())
        if answer is not None and answer.code is not None:
            return CompiledSource(answer.code, answer.fuel)
    run.check_cancelled()
    made = compile_source(programs, source)
    if codes is not None:
        codes.offer(source)
    return made

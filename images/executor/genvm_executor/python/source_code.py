"""A contract's source compiled apart from its runs, by the interpreter that they run in.

CPython's compiler takes 0.9 ms per kB inside WebAssembly; to load its code takes a sixtieth of that. So it
is compiled once, in a guest that is told nothing but the source, and *every* run loads the code, the first
included: a contract can see where its objects lie, and that must not depend on whether anybody had the code.

Code is bytes to everybody outside of a guest. It is read by the interpreter alone, within WebAssembly and for
the contract whose source it comes from: what that made the compiler do wrong, it could as well do itself.
"""

from __future__ import annotations

from genvm_executor.machine.output import OutputTail
from genvm_executor.machine.vm import Guest, GuestSurroundings
from genvm_executor.python.library import COMPILE_LINE
from genvm_executor.python.programs import Programs
from genvm_wire.instance_messages import MOST_CODE, MOST_SOURCE
from genvm_wire.records import record
from genvm_wire.runner_actions import Launch

LEAST_SOURCE = 8192
"""Bytes below which a guest has compiled a source before anybody has been asked for its code."""
MEMORY = 128 * 1024 * 1024
"""Linear memory for compiling: a source that needs more is compiled by its runs, within theirs."""
FILE, PACKAGE = "/contract.py", "/contract/__init__.py"


@record
class CompiledSource:
    """`code` is empty where there is none: the run's own guest is to compile, and to fail as it does.

    `fuel` is what compiling took, where that is counted: whoever uses the code has burnt it.
    """

    code: bytes
    fuel: int


def source_in(launch: Launch, programs: Programs) -> bytes | None:
    """The source to compile apart, if a VM begins with one. Depends on nothing but its contract's package."""
    source = launch.files.get(FILE)
    if source is None or PACKAGE in launch.files or programs.prepared is None:
        return None
    if not launch.fits_started_interpreter or not LEAST_SOURCE <= len(source) <= MOST_SOURCE:
        return None
    return source


def compile_source(programs: Programs, source: bytes) -> CompiledSource:
    """Compile in a fresh guest. Depends on nothing but source and compiler. Raises RunCancelled."""
    stdout = OutputTail()
    stdout.restart(MOST_CODE)
    surroundings = GuestSurroundings(lambda: COMPILE_LINE + source, stdout, OutputTail())
    guest = Guest(programs.engine, programs.python(), surroundings)
    outcome = guest.run(MEMORY)
    whole = outcome.is_return and stdout.total <= MOST_CODE
    return CompiledSource(stdout.peek() if whole else b"", guest.usage.fuel)

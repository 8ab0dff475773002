"""An interpreter that has already started: its memory, taken when it was warm, as a module of its own.

Starting CPython and importing the contract library costs most of a second. At image build one guest does so
and is stopped inside a call of its clock; what its memory holds becomes the initial memory of a new module. A
guest of that module runs the interpreter's `_start` again, above the stack of the stopped one: CPython finds
itself initialised, updates arguments and paths, and runs the bootloader with every module in place. Every
guest, first or nested, warm or cold, begins from the same bytes.

The stop has to be inside a call during which CPython keeps its lock; reading the clock is one.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from wasmtime import Engine, Global, Instance, Linker, Module, Store, WasmtimeError

from genvm_executor.machine import wasm_binary
from genvm_executor.machine.output import OutputTail
from genvm_executor.machine.vm import Guest, GuestProgram, GuestSurroundings
from genvm_executor.machine.wasi.descriptors import FIRST_FREE
from genvm_executor.python.interpreter import STACK_POINTER, STARTED_FLAG, read_interpreter
from genvm_executor.python.library import LIBRARY_ROOT, PYTHON_VARIABLES
from genvm_executor.python.library_bytecode import bytecode_path, files_with_bytecode
from genvm_executor.python.precompile import cache_key

HASH_SECRET_BYTES = 24
"""What CPython draws when it starts; a prepared one has drawn it."""
_MARK = b"prepared"
_SCRIPT = f"{LIBRARY_ROOT}/_genlayer_prepare.py"
_SOURCE = b"""\
import genvm_runner, os, time
genvm_runner.prepare_all()
os.write(1, b"prepared")
time.monotonic()
raise SystemExit("nobody stopped the interpreter")
"""
_MEMORY = 1024 * 1024 * 1024
_RED_ZONE = 64 * 1024
"""Left between the stopped stack and the new one."""

_log = logging.getLogger(__name__)


class PreparationFailed(Exception):
    """The interpreter did not reach the point where it can be stopped; the text says how far it came."""


class _Stopped(Exception):
    def __init__(self, memory: bytes, stack_pointer: int) -> None:
        super().__init__("stopped")
        self.memory = memory
        self.stack_pointer = stack_pointer


class _PreparingGuest(Guest):
    """Stops at the first look at the clock after the mark."""

    _exports: tuple[Instance, Store] | None = None

    def _instantiate(self, linker: Linker, store: Store) -> Instance:
        instance = super()._instantiate(linker, store)
        self._exports = instance, store
        return instance

    def _now(self) -> int:
        stdout = self._surroundings.stdout
        if self._exports is not None and isinstance(stdout, OutputTail) and stdout.peek() == _MARK:
            instance, store = self._exports
            pointer = instance.exports(store)[STACK_POINTER]
            if isinstance(pointer, Global):
                raise _Stopped(self._memory.read(0, self._memory.size), int(pointer.value(store)))
        return super()._now()


def prepared_path(directory: Path) -> Path:
    """Where the prepared interpreter of this very CPU, interpreter and library belongs."""
    own = hashlib.sha256(f"{cache_key()} {bytecode_path(directory).name}".encode() + _SOURCE)
    return directory / f"prepared-{own.hexdigest()[:32]}.cwasm"


def compiler_name(directory: Path) -> bytes:
    """Names what a prepared interpreter makes of sources: 32 bytes. One that counts fuel is another."""
    return hashlib.sha256(f"code of {prepared_path(directory).name}".encode()).digest()


def load_prepared(engine: Engine, directory: Path) -> Module | None:
    """The prepared interpreter; None, and said so, when there is none that fits."""
    path = prepared_path(directory)
    try:
        if path.is_file():
            return Module.deserialize_file(engine, str(path))
        _log.warning("no prepared interpreter at %s: starts are slow", path)
    except WasmtimeError as error:
        _log.warning("prepared interpreter refused: %s", error)
    return None


def prepare(engine: Engine, interpreter: Module, directory: Path) -> Path:
    """Start the interpreter, stop it, compile what it became; atomic. Raises PreparationFailed."""
    stopped = _run_to_the_stop(engine, interpreter, directory)
    memory = bytearray(stopped.memory)
    memory[STARTED_FLAG : STARTED_FLAG + 4] = bytes(4)
    module = wasm_binary.with_memory(
        read_interpreter(),
        pages=len(memory) // wasm_binary.PAGE,
        stack_pointer=(stopped.stack_pointer - _RED_ZONE) // 16 * 16,
        content=bytes(memory),
    )
    path = prepared_path(directory)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(Module(engine, module).serialize())
    partial.replace(path)
    return path


def _run_to_the_stop(engine: Engine, interpreter: Module, directory: Path) -> _Stopped:
    stdout, stderr = OutputTail(), OutputTail()
    for tail in (stdout, stderr):
        tail.restart(_RED_ZONE)
    files = files_with_bytecode(directory)
    files.add(_SCRIPT, _SOURCE)
    drawn: list[int] = []
    surroundings = GuestSurroundings(lambda: b"", stdout, stderr)
    generate = surroundings.random_bytes

    def random_bytes(length: int) -> bytes:
        drawn.append(length)
        return generate(length)

    surroundings.random_bytes = random_bytes
    program = GuestProgram(
        module=interpreter,
        arguments=[b"py", b"-u", b"-B", _SCRIPT.encode()],
        variables=[variable.encode() for variable in PYTHON_VARIABLES],
        files=files,
    )
    guest = _PreparingGuest(engine, program, surroundings)
    try:
        outcome = guest.run(_MEMORY)
    except _Stopped as stopped:
        if sum(drawn) != HASH_SECRET_BYTES or guest.open_descriptors != set(range(FIRST_FREE)):
            raise PreparationFailed(f"drew {drawn}, has open {guest.open_descriptors}") from None
        if stopped.memory[STARTED_FLAG : STARTED_FLAG + 4] != b"\1\0\0\0":
            raise PreparationFailed("the interpreter keeps its start flag elsewhere") from None
        return stopped
    raise PreparationFailed(f"{outcome.payload!r}: {stderr.peek().decode('utf-8', 'replace')}")

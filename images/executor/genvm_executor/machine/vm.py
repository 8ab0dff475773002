"""One guest: a WASM instance with its memory, descriptors and files, from entry to outcome."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from wasmtime import (
    Engine,
    Func,
    Instance,
    Linker,
    Memory,
    Module,
    Store,
    Trap,
    TrapCode,
    WasmtimeError,
)

from genvm_executor.host import HostRefused
from genvm_executor.lines import V02, ContractLine
from genvm_executor.machine.engine import burnt_fuel, fresh_store
from genvm_executor.machine.guest_channel import DEVICE_PATH, GuestChannel
from genvm_executor.machine.guest_memory import GuestMemory
from genvm_executor.machine.guest_requests import GuestRequests
from genvm_executor.machine.host_functions import define
from genvm_executor.machine.outcome import (
    RETURN_NULL,
    GuestReturned,
    RunCancelled,
    VmFault,
    VmOutcome,
    vm_error,
)
from genvm_executor.machine.sdk_imports import SdkImports
from genvm_executor.machine.traps import trap_code, trap_text
from genvm_executor.machine.wasi.descriptors import (
    DescriptorTable,
    OpenDirectory,
    OpenFile,
    OpenStream,
    Stream,
)
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.machine.wasi.functions import GuestExit, WasiEnvironment, wasi_functions
from genvm_executor.machine.wasi.random import COMMON_WORDS, GuestRandom
from genvm_executor.machine.wasm_rules import Rule
from genvm_wire.records import field, mutable, record

ENTRY_NAMES = ("", "_start")
_RANDOM_BEFORE_JOB = COMMON_WORDS


@record
class LinkedModule:
    """A module that another may import from under `name`. For the rest see `GuestProgram`."""

    name: str
    module: Module
    start: str | None = None


@record
class GuestProgram:
    """What to instantiate and what it sees: arguments, `NAME=value` variables, files."""

    module: Module
    arguments: Sequence[bytes]
    variables: Sequence[bytes]
    files: FileSystem
    linked: Sequence[LinkedModule] = ()
    rules: Mapping[str | None, Mapping[int, Rule]] = field(default_factory=dict)
    """where in which module which rule traps, by the name of a linked one; null: in the started one"""
    start: str | None = None
    """an export to be called before the entry"""
    random_drawn: int = 0
    """random bytes that the module took before it was prepared: the guest goes on after them"""


@mutable
class GuestSurroundings:
    """What a guest is told. A pre-initialised guest gets its values when its job arrives.

    `start` gives the bytes of fd 0 at its first read and may wait for them.
    """

    start: Callable[[], bytes]
    stdout: Stream
    stderr: Stream
    line: ContractLine = V02
    now_ns: int = 0
    requests: GuestRequests | None = None
    random_bytes: Callable[[int], bytes] = field(default_factory=lambda: GuestRandom(_RANDOM_BEFORE_JOB).take)
    explain: Callable[[VmFault], None] = lambda _fault: None
    """gets every fault that ends the guest, for people"""


@record
class GuestUsage:
    """`fuel` burnt, where it is counted, and `memory` bytes the guest had at its end."""

    fuel: int
    memory: int


class Guest:
    """One run of one program. `run` may be called once."""

    def __init__(self, engine: Engine, program: GuestProgram, surroundings: GuestSurroundings) -> None:
        self._engine = engine
        self._program = program
        self._surroundings = surroundings
        self._memory = GuestMemory()
        self._descriptors = DescriptorTable()
        surroundings.random_bytes(program.random_drawn)
        self.usage = GuestUsage(0, 0)

    @property
    def memory_bytes(self) -> int:
        """Bytes of linear memory in use now."""
        return self._memory.size

    @property
    def open_descriptors(self) -> set[int]:
        """Numbers of the descriptors that are open."""
        return self._descriptors.open_numbers

    def run(self, memory_limit: int) -> VmOutcome:
        """Run to the end. VM errors are outcomes.

        Raises RunCancelled, RunBroken, HostLost, and whatever the `start` of the surroundings raises.
        """
        store = fresh_store(self._engine, memory_limit)
        try:
            return self._run(store)
        except VmFault as fault:
            self._surroundings.explain(fault)
            return vm_error(fault.text)
        except HostRefused as refused:
            return vm_error(refused.vm_error_text)
        finally:
            self.usage = GuestUsage(burnt_fuel(store), self._memory.size)
            self._memory.release()
            store.close()

    def _run(self, store: Store) -> VmOutcome:
        try:
            self._enter(store)()
        except GuestReturned as returned:
            return returned.outcome
        except GuestExit as ended:
            return self._exit_outcome(ended.code)
        except (Trap, WasmtimeError) as error:
            code = trap_code(error, self._program.rules)
            if code is TrapCode.INTERRUPT:
                raise RunCancelled("interrupted") from None
            return vm_error(trap_text(self._surroundings.line, code))
        return RETURN_NULL

    def _exit_outcome(self, code: int) -> VmOutcome:
        if code == 0:
            return RETURN_NULL
        if (largest := self._surroundings.line.largest_exit_code) is not None:
            code = min(code & 0xFFFFFFFF, largest)
        return vm_error(f"exit_code {code}")

    def _enter(self, store: Store) -> Callable[[], object]:
        """The entry function, ready to be called. Raises VmFault when there is none to be had."""
        texts = self._surroundings.line.texts
        self._open_standard_descriptors()
        linker = Linker(self._engine)
        for module_name, functions in (
            ("wasi_snapshot_preview1", self._wasi()),
            ("genlayer_sdk", SdkImports(self._memory, self._descriptors, self._requests).functions()),
        ):
            for name, (types, function) in functions.items():
                define(linker, module_name, name, types, function)
        for library in self._program.linked:
            self._link(linker, store, library)
        instance = self._instantiate(linker, store)
        exports = instance.exports(store)
        with suppress(KeyError):
            memory = exports["memory"]
            if isinstance(memory, Memory):
                self._memory.bind(memory, store)
        if self._program.start is not None:
            start = exports[self._program.start]
            assert isinstance(start, Func)
            start(store)
        for name in ENTRY_NAMES:
            entry = exports.get(name)
            if isinstance(entry, Func) and not entry.type(store).params:
                return lambda entry=entry: entry(store)  # type: ignore[misc]
        raise VmFault(
            texts.invalid_wasm.format(stage="entrypoint"), 'the module exports neither "" nor _start'
        )

    def _link(self, linker: Linker, store: Store, library: LinkedModule) -> None:
        instance = self._instantiated(linker, store, library.module)
        for name in (library.start, "_initialize"):
            begin = instance.exports(store).get(name) if name else None
            if isinstance(begin, Func):
                begin(store)
        linker.define_instance(store, library.name, instance)

    def _instantiate(self, linker: Linker, store: Store) -> Instance:
        return self._instantiated(linker, store, self._program.module)

    def _instantiated(self, linker: Linker, store: Store, module: Module) -> Instance:
        texts = self._surroundings.line.texts
        try:
            return linker.instantiate(store, module)
        except Trap:
            raise
        except WasmtimeError as error:
            text = str(error)
            if "exceeds memory limits" in text or "exceeds table limits" in text:
                raise VmFault(texts.no_memory) from None
            raise VmFault(texts.invalid_wasm.format(stage="linking"), text) from None

    def _requests(self) -> GuestRequests | None:
        return self._surroundings.requests

    def _now(self) -> int:
        return self._surroundings.now_ns

    def _start(self) -> bytes:
        return self._surroundings.start()

    def _random(self, length: int) -> bytes:
        return self._surroundings.random_bytes(length)

    def _open_standard_descriptors(self) -> None:
        table = self._descriptors
        table.put(0, OpenFile(self._start))
        table.put(1, OpenStream(self._surroundings.stdout))
        table.put(2, OpenStream(self._surroundings.stderr))
        table.put(3, OpenDirectory(self._program.files.root, b"/"))

    def _wasi(self) -> dict[str, tuple[str, Callable[..., int]]]:
        return wasi_functions(
            WasiEnvironment(
                memory=self._memory,
                descriptors=self._descriptors,
                arguments=self._program.arguments,
                variables=self._program.variables,
                now_ns=self._now,
                random_bytes=self._random,
                devices={DEVICE_PATH: GuestChannel(self._requests)},
            )
        )


def os_random(length: int) -> bytes:
    """Randomness of non-deterministic guests."""
    return os.urandom(length)

"""The WebAssembly engine: one deterministic configuration for everything that runs here."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

from wasmtime import Config, Engine, Store

WASM_STACK_BYTES = 2 * 1024 * 1024 - 64 * 1024
"""Just below the engine's asynchronous stack: that has to be larger, and the binding cannot set its size."""
MAX_VM_DEPTH = 16
"""Guests inside guests: each may use its whole WASM stack on top of its caller's."""
NATIVE_STACK_BYTES = 64 * 1024 * 1024
UNLIMITED_FUEL = 2**64 - 1
DEFAULT_MEMORY_BYTES = 768 * 1024 * 1024
"""Linear memory of all VMs of a run together. The same on every node, whatever its containers may take, since
running out of it is a result; a quarter GiB below the smallest usual container, so that it comes first."""
MAX_TABLE_ELEMENTS = 1_000_000


class NativeStackTooSmall(Exception):
    """The hard limit of the stack does not leave room for the WASM stacks; raise `ulimit -Hs`."""


def deterministic_engine() -> Engine:
    """Fuel and epochs on, floats canonical, nothing that depends on the machine or on threads."""
    config = Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_nan_canonicalization = True
    config.max_wasm_stack = WASM_STACK_BYTES
    config.wasm_relaxed_simd = False
    config.wasm_threads = False
    config.wasm_memory64 = False
    config.wasm_component_model = False
    config.memory_may_move = False
    config.parallel_compilation = False
    return Engine(config)


def reserve_native_stack() -> None:
    """Let the main thread's stack grow to what nested guests need, so that overflow is a trap, never a crash.

    Raises NativeStackTooSmall.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft == resource.RLIM_INFINITY or soft >= NATIVE_STACK_BYTES:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_STACK, (NATIVE_STACK_BYTES, hard))
    if resource.getrlimit(resource.RLIMIT_STACK)[0] < NATIVE_STACK_BYTES:
        raise NativeStackTooSmall(f"stack hard limit is {hard} bytes; {NATIVE_STACK_BYTES} are needed")


def fresh_store(engine: Engine, memory_bytes: int, fuel: int = UNLIMITED_FUEL) -> Store:
    """A store that may grow one memory to `memory_bytes` and burn `fuel`; the next epoch interrupts it."""
    store = Store(engine)
    store.set_limits(
        memory_size=memory_bytes, table_elements=MAX_TABLE_ELEMENTS, instances=8, memories=4, tables=16
    )
    store.set_fuel(fuel)
    store.set_epoch_deadline(1)
    return store


def engine_fingerprint() -> str:
    """What precompiled code depends on besides the module and the engine, whose version it carries itself."""
    return f"{os.uname().machine} {_cpu_features()}"


def _cpu_features() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return " ".join(sorted(line.partition(":")[2].split()))
    return ""

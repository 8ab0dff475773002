"""The WebAssembly engine: one deterministic configuration for everything that runs here."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from wasmtime import Config, Engine, Store

WASM_STACK_BYTES = 2 * 1024 * 1024 - 64 * 1024
"""Just below the engine's asynchronous stack: that has to be larger, and the binding cannot set its size."""
MAX_VM_DEPTH = 16
"""Guests inside guests: each may use its whole WASM stack on top of its caller's."""
NATIVE_STACK_BYTES = 64 * 1024 * 1024
METER_VARIABLE = "GENVM_METER_FUEL"
"""`1`: count fuel. No client sees it, nothing limits it (contract-sdk-v03 19), and it takes a quarter of
a guest's time: on for those who compare runs to the unit, as two that burn the same did the same."""
_UNLIMITED_FUEL = 2**64 - 1
DEFAULT_MEMORY_BYTES = 768 * 1024 * 1024
"""Linear memory of all VMs of a run together. The same on every node, whatever its containers may take, since
running out of it is a result; a quarter GiB below the smallest usual container, so that it comes first."""
MAX_TABLE_ELEMENTS = 1_000_000


class NativeStackTooSmall(Exception):
    """The hard limit of the stack does not leave room for the WASM stacks; raise `ulimit -Hs`."""


SETTINGS: Mapping[str, bool | int] = MappingProxyType(
    {
        "epoch_interruption": True,
        "cranelift_nan_canonicalization": True,
        "max_wasm_stack": WASM_STACK_BYTES,
        "memory_may_move": False,
        "parallel_compilation": False,
        # What upstream's table of features does not name is off (contract-sdk-v03 19).
        "wasm_bulk_memory": True,
        "wasm_multi_value": True,
        "wasm_reference_types": True,
        "wasm_simd": True,
        "wasm_tail_call": True,
        "wasm_component_model": False,
        "wasm_custom_page_sizes": False,
        "wasm_exceptions": False,
        "wasm_function_references": False,
        "wasm_gc": False,
        "wasm_memory64": False,
        "wasm_multi_memory": False,
        "wasm_relaxed_simd": False,
        "wasm_stack_switching": False,
        "wasm_threads": False,
        "wasm_wide_arithmetic": False,
    }
)
"""Epochs on, floats canonical, nothing that depends on the machine or on threads."""


def metered() -> bool:
    """Whether this process counts fuel."""
    return os.environ.get(METER_VARIABLE) == "1"


def _settings() -> dict[str, bool | int]:
    return {**SETTINGS, "consume_fuel": metered()}


def deterministic_engine() -> Engine:
    """The engine with the settings above, which are part of what names compiled code."""
    config = Config()
    for name, value in _settings().items():
        setattr(config, name, value)
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


def fresh_store(engine: Engine, memory_bytes: int) -> Store:
    """A store that may grow one memory to `memory_bytes`; the next epoch interrupts it."""
    store = Store(engine)
    store.set_limits(
        memory_size=memory_bytes, table_elements=MAX_TABLE_ELEMENTS, instances=8, memories=4, tables=16
    )
    if metered():
        store.set_fuel(_UNLIMITED_FUEL)
    store.set_epoch_deadline(1)
    return store


def burnt_fuel(store: Store) -> int:
    """What its guest has burnt; 0 where nobody counts."""
    return _UNLIMITED_FUEL - store.get_fuel() if metered() else 0


def engine_fingerprint() -> str:
    """What precompiled code depends on besides the module and the engine's version, which it carries."""
    settings = " ".join(f"{name}={value}" for name, value in sorted(_settings().items()))
    return f"{os.uname().machine} {_cpu_features()} {settings}"


def _cpu_features() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith(("flags", "Features")):
                return " ".join(sorted(line.partition(":")[2].split()))
    return ""

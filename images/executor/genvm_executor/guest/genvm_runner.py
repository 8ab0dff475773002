# ruff: noqa: PLC0415
# What is imported when decides what is warm.
"""Bootloader of a Python contract VM (contract-sdk.md, 2.1).

`main()` first loads everything that does not depend on the job and only then reads the start message from
fd 0, where a warm instance blocks until there is one. Nothing before that read may look at time or job.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Any

# Not `random`: importing it draws its seed, and randomness may depend on the job.
WARM_MODULES = (
    "_contract_finder",
    "cloudpickle",
    "collections.abc",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "inspect",
    "itertools",
    "json",
    "math",
    "pickle",
    "re",
    "string",
    "traceback",
    "typing",
    "urllib.parse",
    "genlayer",
    "genlayer.absent",
    "genlayer.inner.dispatch",
    "genlayer.inner.schema",
    "genlayer.py.evm",
    "genlayer.py.public_abi",
)


class _State:
    warm = False


def warm_up() -> None:
    """Import the library and what contracts import most, and build the layouts that need no contract.

    A prepared interpreter has done so: then there is nothing left to do.
    """
    if _State.warm:
        return
    # Collecting garbage during the imports finds none and would cost a fifth of the start.
    gc.disable()
    for name in WARM_MODULES:
        importlib.import_module(name)
    importlib.import_module("genlayer.absent").explain_absences()
    _build_layouts()
    gc.freeze()
    gc.enable()
    _State.warm = True


def _build_layouts() -> None:
    from genlayer.py.keccak import keccak256
    from genlayer.py.storage.build import layout_of
    from genlayer.py.storage.root import Root
    from genlayer.py.types import UNSIGNED

    root = Root.get()
    for field in (root.code, root.locked_slots, root.upgraders):
        field.slot()
    for unsigned in UNSIGNED.values():
        layout_of(unsigned)
    keccak256(b"")


def read_start_message() -> bytes:
    """Everything on fd 0."""
    parts = []
    while part := os.read(0, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def begin(data: bytes) -> dict[str, Any]:
    """Decode the start message and make it known as `gl.message`. Raises for a malformed one."""
    from genlayer.inner import start
    from genlayer.py import calldata

    raw = calldata.decode(data)
    if not isinstance(raw, dict):
        raise TypeError(f"the start message is a map, not {type(raw).__name__}")
    start.begin(raw)  # type: ignore[arg-type]
    return raw


def load_contract() -> ModuleType:
    """Import the contract. What it raises, a `UserError` included, ends the VM with exit status 1."""
    return importlib.import_module("contract")


def prepare(message: dict[str, Any]) -> Callable[[], Any]:
    """Import or unpickle what the start message asks for; calling the result runs it.

    A `UserError` from here, raised while importing, is an ordinary failure: exit status 1.
    """
    from genlayer.inner import dispatch
    from genlayer.py.public_abi import EntryKind

    kind, data = message["entry_kind"], message["entry_data"]
    if kind == EntryKind.MAIN:
        load_contract()
        contract, is_init = dispatch.registered(), message["is_init"]
        return lambda: dispatch.run_main(contract, data, is_init=is_init)
    # The other end of these pickles is the same library in the VM that started this one.
    if kind == EntryKind.SANDBOX:
        return pickle.loads(data)  # type: ignore[no-any-return]  # noqa: S301
    if kind == EntryKind.CONSENSUS_STAGE:
        stage_function, stage = pickle.loads(data), message["entry_stage_data"]  # noqa: S301
        return lambda: stage_function(stage)
    raise ValueError(f"unknown entry kind {kind!r}")


def run(message: dict[str, Any]) -> None:
    """Run one entry and end the VM with `Return` or `Rollback`; anything else propagates."""
    from genlayer.gl.vm import UserError
    from genlayer.inner import requests

    entry = prepare(message)
    try:
        name, value = "Return", entry()
    except UserError as error:
        name, value = "Rollback", error.message
    requests.finish(name, value)


def main() -> None:
    """Be one VM: warm up, wait for the start message, run, end."""
    warm_up()
    import _genlayer_wasi as host
    from _contract_finder import ContractFinder
    from genlayer.py.storage.pages import HOST

    sys.meta_path.insert(0, ContractFinder)
    data = read_start_message()
    if "/" not in sys.path:
        sys.path.append("/")
    try:
        run(begin(data))
    except SystemExit as leaving:
        # Status 0 is a Return of null: what was written counts.
        if leaving.code in (None, 0):
            HOST.flush()
        raise
    except MemoryError:
        # On every node the same memory is there: to run out of it is a result of its own, not exit status 1.
        traceback.print_exc()
        host.out_of_memory()
        raise


if __name__ == "__main__":
    main()

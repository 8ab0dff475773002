# ruff: noqa: PLC0415
# What is imported when decides what is warm.
"""Bootloader of a Python contract VM (contract-sdk 2.1).

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
from typing import Any, ClassVar

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
    "genlayer_core.absent",
    "genlayer_core.dispatch",
    "genlayer_core.evm",
    "genlayer_core.event",
    "genlayer_core.schema",
)
LIBRARY = "genlayer"
ENTRY = f"{LIBRARY}.inner.entry"
COMPILE = b"compile\n"
"""Before a source that is to be compiled and nothing more."""
FOLDERS = {"v0.2": "", "v0.3": "v03"}
"""Where the `genlayer` of each line lies, below this file's folder."""


class _State:
    warm = False
    libraries: ClassVar[dict[str, dict[str, ModuleType]]] = {}
    """the modules of each line's library that has been imported"""
    chosen = ""


def warm_up() -> None:
    """Import what all lines share and what contracts import most.

    A prepared interpreter has done so: then there is nothing left to do.
    """
    if _State.warm:
        return
    # Collecting garbage during the imports finds none and would cost a fifth of the start.
    gc.disable()
    for name in WARM_MODULES:
        importlib.import_module(name)
    importlib.import_module("genlayer_core.absent").explain_absences()
    _settle()
    _State.warm = True


def prepare_all() -> None:
    """Import the libraries of all lines, so that whichever a job wants is there."""
    warm_up()
    for line in reversed(FOLDERS):
        choose(line)


def choose(line: str) -> Any:
    """Make a line's library the `genlayer` that is imported; what the bootloader asks of it."""
    modules = sys.modules
    if line != _State.chosen:
        for name in _State.libraries.get(_State.chosen, ()):
            modules.pop(name, None)
        if line not in _State.libraries:
            _State.libraries[line] = _import_library(FOLDERS[line])
        modules.update(_State.libraries[line])
        _State.chosen = line
    return modules[ENTRY]


def _import_library(folder: str) -> dict[str, ModuleType]:
    gc.disable()
    place = os.path.join(os.path.dirname(__file__), folder)  # noqa: PTH118, PTH120 - pathlib is not warm
    sys.path.insert(0, place)
    try:
        library = importlib.import_module(LIBRARY)
        entry = importlib.import_module(ENTRY)
        for name in getattr(library, "__all__", ()):
            getattr(library, name)
    finally:
        sys.path.remove(place)
    _build_layouts(entry)
    _settle()
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == LIBRARY}


def _settle() -> None:
    gc.freeze()
    gc.enable()


def _build_layouts(entry: Any) -> None:
    from genlayer_core.keccak import keccak256
    from genlayer_core.storage.build import layout_of

    root = entry.Root.get()
    for field in (root.contract_instance, root.code, root.locked_slots, root.upgraders):
        field.slot()
    for unsigned in entry.UNSIGNED.values():
        layout_of(unsigned)
    keccak256(b"")


def read_start_message() -> bytes:
    """Everything on fd 0."""
    parts = []
    while part := os.read(0, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def compile_contract(source: bytes) -> None:
    """Write a contract's code to fd 1: the whole of it, or nothing where each run has to compile by itself.

    That is so where the compiler has anything to say: what it says belongs to the runs.
    """
    import warnings

    from _contract_finder import PATH
    from _kept_code import kept_code

    warnings.simplefilter("error")
    try:
        code = memoryview(kept_code(source, PATH))
    except Exception:
        return
    while code:
        code = code[os.write(1, code) :]


def begin(data: bytes) -> tuple[Any, dict[str, Any]]:
    """Choose the library that the first line of fd 0 names, and make the start message behind it known to it.

    Between the two the contract's code may lie, as long as the line says. Raises for a malformed one.
    """
    from _contract_finder import Compiled
    from genlayer_core import calldata, start

    line, _, message = data.partition(b"\n")
    line, _, length = line.partition(b" ")
    if length:
        Compiled.code, message = message[: int(length)], message[int(length) :]
    entry = choose(line.decode("ascii"))
    raw = calldata.decode(message)
    if not isinstance(raw, dict):
        raise TypeError(f"the start message is a map, not {type(raw).__name__}")
    start.begin(raw)
    entry.begin()
    return entry, raw


def load_contract() -> ModuleType:
    """Import the contract. What it raises, a `UserError` included, ends the VM with exit status 1."""
    return importlib.import_module("contract")


def prepare(entry: Any, message: dict[str, Any]) -> Callable[[], Any]:
    """Import or unpickle what the start message asks for; calling the result runs it.

    A `UserError` from here, raised while importing, is an ordinary failure: exit status 1.
    """
    from genlayer_core.dispatch import registered

    kind, data = message["entry_kind"], message["entry_data"]
    if kind == entry.EntryKind.MAIN:
        load_contract()
        contract, is_init = registered(), message["is_init"]
        return lambda: entry.DISPATCH.run_main(contract, data, is_init=is_init)
    # The other end of these pickles is the same library in the VM that started this one.
    if kind == entry.EntryKind.SANDBOX:
        return pickle.loads(data)  # type: ignore[no-any-return]  # noqa: S301
    if kind == entry.EntryKind.CONSENSUS_STAGE:
        stage_function, stage = pickle.loads(data), message["entry_stage_data"]  # noqa: S301
        return lambda: stage_function(stage)
    raise ValueError(f"invalid entry kind {kind!r}")


def run(entry: Any, message: dict[str, Any]) -> None:
    """Run one entry and end the VM with a value or a user error; anything else propagates."""
    from _contract_finder import Compiled
    from genlayer_core import requests

    call = prepare(entry, message)
    # Of the file that was there at the start; the contract may put another one in its place.
    Compiled.code = b""
    try:
        name, value = "Return", call()
    except entry.UserError as error:
        name, value = entry.refusal(error)
    requests.finish(name, value)


def main() -> None:
    """Be one VM: warm up, wait for the start message, run, end."""
    warm_up()
    import _genlayer_wasi as host
    from _contract_finder import ContractFinder
    from genlayer_core.storage.pages import HOST

    sys.meta_path.insert(0, ContractFinder)
    data = read_start_message()
    if data.startswith(COMPILE):
        return compile_contract(data[len(COMPILE) :])
    if "/" not in sys.path:
        sys.path.append("/")
    try:
        run(*begin(data))
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

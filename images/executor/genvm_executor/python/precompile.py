"""The compiled interpreter on disk, so that a start costs milliseconds instead of seconds.

Compiled code is native code: it is loaded only when the file's key names this interpreter and this CPU, and
the engine finds its own version in it. Anything else is compiled in memory and said in the log.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

from wasmtime import Engine, Module, WasmtimeError

from genvm_executor.machine.engine import engine_fingerprint
from genvm_executor.python.interpreter import INTERPRETER_KEY, read_interpreter

DEFAULT_DIRECTORY = Path("/opt/genvm/precompiled")
DIRECTORY_VARIABLE = "GENVM_PRECOMPILED_DIR"

_log = logging.getLogger(__name__)


def precompiled_directory() -> Path:
    """Absolute: the executor goes to work in another directory."""
    return Path(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY).absolute()


def cache_key() -> str:
    """Names CPU and interpreter; part of the file name."""
    return hashlib.sha256(f"{engine_fingerprint()} {INTERPRETER_KEY}".encode()).hexdigest()[:32]


def compiled_path(directory: Path) -> Path:
    return directory / f"interpreter-{cache_key()}.cwasm"


def load_interpreter(engine: Engine, directory: Path | None = None) -> Module:
    """The compiled interpreter, from disk when it fits. Raises InterpreterUnusable."""
    path = compiled_path(directory or precompiled_directory())
    if path.is_file():
        try:
            return Module.deserialize_file(engine, str(path))
        except WasmtimeError as error:
            _log.warning("precompiled interpreter refused, compiling again: %s", error)
    else:
        _log.warning("no precompiled interpreter for this engine and CPU at %s, compiling", path)
    return Module(engine, read_interpreter())


def precompile(engine: Engine, directory: Path) -> Path:
    """Compile the interpreter into `directory`; atomic, so that a reader never sees half a file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = compiled_path(directory)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(Module(engine, read_interpreter()).serialize())
    partial.replace(path)
    return path

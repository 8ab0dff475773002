"""`python -m genvm_executor` serves one run; with `precompile DIR` it fills the code cache."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from genvm_executor.control import ChannelUnavailable, ControlChannel
from genvm_executor.engine import (
    DEFAULT_MEMORY_BYTES,
    NativeStackTooSmall,
    deterministic_engine,
    reserve_native_stack,
)
from genvm_executor.interpreter import InterpreterUnusable
from genvm_executor.library_bytecode import BytecodeFailed, compile_library
from genvm_executor.precompile import load_interpreter, precompile, precompiled_directory
from genvm_executor.prepared import PreparationFailed, prepare
from genvm_executor.programs import Programs
from genvm_executor.session import Session

MEMORY_VARIABLE = "GENVM_GUEST_MEMORY_BYTES"
FAILED, USAGE = 1, 2


def main(arguments: list[str]) -> int:
    """The process's exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        match arguments:
            case []:
                return _serve()
            case ["precompile", directory]:
                return _precompile(Path(directory))
    except (
        BytecodeFailed,
        ChannelUnavailable,
        InterpreterUnusable,
        NativeStackTooSmall,
        PreparationFailed,
    ) as error:
        logging.getLogger(__name__).error("%s", error)
        return FAILED
    sys.stderr.write("usage: genvm_executor [precompile DIRECTORY]\n")
    return USAGE


def _serve() -> int:
    reserve_native_stack()
    engine = deterministic_engine()
    programs = Programs.stored(engine, precompiled_directory())
    channel = ControlChannel()
    channel.connect()
    return Session(channel, programs, _memory_limit()).serve()


def _memory_limit() -> int:
    text = os.environ.get(MEMORY_VARIABLE, "")
    if text.isascii() and text.isdigit():
        return min(int(text), DEFAULT_MEMORY_BYTES)
    if text:
        logging.getLogger(__name__).warning("%s is not a number of bytes: %r", MEMORY_VARIABLE, text)
    return DEFAULT_MEMORY_BYTES


def _precompile(directory: Path) -> int:
    engine = deterministic_engine()
    path = precompile(engine, directory)
    interpreter = load_interpreter(engine, directory)
    pack = compile_library(engine, interpreter, directory)
    sys.stdout.write(f"{path}\n{pack}\n{prepare(engine, interpreter, directory)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

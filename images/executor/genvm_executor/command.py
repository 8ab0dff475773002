"""The executor's command: without arguments it serves, with `precompile DIR` it fills the code cache."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from genvm_executor.channel.control import ChannelUnavailable, ControlChannel
from genvm_executor.channel.succession import Succession
from genvm_executor.filters import Filters
from genvm_executor.machine.engine import (
    DEFAULT_MEMORY_BYTES,
    NativeStackTooSmall,
    deterministic_engine,
    reserve_native_stack,
)
from genvm_executor.python.interpreter import InterpreterUnusable
from genvm_executor.python.library_bytecode import BytecodeFailed, compile_library
from genvm_executor.python.precompile import load_interpreter, precompile, precompiled_directory
from genvm_executor.python.prepared import PreparationFailed, prepare
from genvm_executor.python.programs import Programs
from genvm_executor.session import ExecutorSession
from genvm_wire.confinement import FilterRefused

MEMORY_VARIABLE = "GENVM_GUEST_MEMORY_BYTES"
IDLE_VARIABLE = "GENVM_IDLE_SECONDS"
IDLE_SECONDS = 30
"""A ready instance outlives its manager for so long: the next one takes it over (docs/pool.md)."""
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
        FilterRefused,
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
    filters = Filters.stored(precompiled_directory())
    filters.confine_executor()
    engine = deterministic_engine()
    programs = Programs.stored(engine, precompiled_directory())
    channel = ControlChannel()
    channel.connect_first()
    session = ExecutorSession(
        channel,
        programs,
        min(_number(MEMORY_VARIABLE, DEFAULT_MEMORY_BYTES), DEFAULT_MEMORY_BYTES),
        succession=Succession.of_environment(os.environ),
        idle=_number(IDLE_VARIABLE, IDLE_SECONDS),
        confine=filters.confine_run,
    )
    code = session.serve()
    logging.shutdown()
    # Taking the interpreter apart costs milliseconds, and a fork shares it with the next run's.
    os._exit(code)


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    if text.isascii() and text.isdigit():
        return int(text)
    if text:
        logging.getLogger(__name__).warning("%s is not a number: %r", variable, text)
    return default


def _precompile(directory: Path) -> int:
    engine = deterministic_engine()
    path = precompile(engine, directory)
    Filters.compiled().store(directory)
    interpreter = load_interpreter(engine, directory)
    pack = compile_library(engine, interpreter, directory)
    sys.stdout.write(f"{path}\n{pack}\n{prepare(engine, interpreter, directory)}\n")
    return 0

"""The contract library and what it uses of the standard library, as bytecode.

The interpreter carries its standard library in a compressed archive and the contract library comes as
source: without this a guest would unpack and compile a hundred modules at each start. The same interpreter
does it once, at image build, into one pack; the pack is keyed by the library's sources and the interpreter,
so that a changed library never runs from old bytecode.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from wasmtime import Engine, Module

from genvm_executor.machine.output import OutputTail
from genvm_executor.machine.vm import Guest, GuestProgram, GuestSurroundings
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.python.interpreter import CACHE_TAG, INTERPRETER_KEY, PYTHON_HOME, STANDARD_LIBRARY
from genvm_executor.python.library import (
    LIBRARY_ROOT,
    PYTHON_VARIABLES,
    STANDARD_ROOT,
    library_files,
    library_sources,
)

_COMPILER = f"""
import _imp, importlib._bootstrap_external as external, os, struct, sys
LIBRARY, ARCHIVE, TARGET, TAG = {LIBRARY_ROOT!r}, {STANDARD_LIBRARY!r}, {STANDARD_ROOT!r}, {CACHE_TAG!r}
sys.path.append("/")
import genvm_runner
genvm_runner.prepare_all()

def put(name, data):
    name = name.encode()
    os.write(1, struct.pack("<II", len(name), len(data)) + name + data)

def sources(path):
    if path.endswith(".py"):
        yield path
    elif os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            yield from sources(path + "/" + name)

for path in sources(LIBRARY):
    with open(path, "rb") as file:
        source = file.read()
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    digest = _imp.source_hash(external._RAW_MAGIC_NUMBER, source)
    folder, _, name = path.rpartition("/")
    compiled = bytes(external._code_to_hash_pyc(code, digest, False))
    put(folder + "/__pycache__/" + name[:-2] + TAG + ".pyc", compiled)

import zipfile
used = set()
for module in list(sys.modules.values()):
    path = getattr(module, "__file__", None) or ""
    if path.startswith(ARCHIVE + "/"):
        used.add(path[len(ARCHIVE) + 1:].split("/")[0])
with zipfile.ZipFile(ARCHIVE) as archive:
    for name in sorted(archive.namelist()):
        if name.split("/")[0] in used and name.endswith(".pyc"):
            put(TARGET + "/" + name, archive.read(name))
"""
_MEMORY = 1024 * 1024 * 1024
_OUTPUT = 256 * 1024 * 1024

_log = logging.getLogger(__name__)


class BytecodeFailed(Exception):
    """The interpreter could not compile the contract library; the text has its own words."""


def bytecode_path(precompiled: Path) -> Path:
    """Where the bytecode of this very library and interpreter belongs in the cache directory."""
    return precompiled / f"library-{_library_key()}.pack"


@cache
def _library_key() -> str:
    digest = hashlib.sha256(f"{INTERPRETER_KEY}{PYTHON_VARIABLES}".encode() + _COMPILER.encode())
    for path, data in library_sources():
        digest.update(struct.pack("<II", len(path), len(data)) + path.encode() + data)
    return digest.hexdigest()[:32]


def files_with_bytecode(precompiled: Path) -> FileSystem:
    """What a Python guest sees below /py; without bytecode, and said so, when the pack is missing."""
    files = library_files()
    path = bytecode_path(precompiled)
    if not path.is_file():
        _log.warning("no compiled contract library at %s: starts are slow", path)
        return files
    # A prepared interpreter has read what it needs: most of this stays on the disk.
    with path.open("rb") as file:
        pack = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    for name, data in _records(pack):
        files.add(name, data)
    return files


def compile_library(engine: Engine, interpreter: Module, precompiled: Path) -> Path:
    """Write the pack; atomic. Raises BytecodeFailed."""
    stdout, stderr = OutputTail(), OutputTail()
    stdout.restart(_OUTPUT)
    program = GuestProgram(
        module=interpreter,
        arguments=[b"py", b"-B", b"-c", _COMPILER.encode()],
        variables=[f"PYTHONHOME={PYTHON_HOME}".encode(), f"PYTHONPATH={LIBRARY_ROOT}".encode()],
        files=library_files(),
    )
    outcome = Guest(engine, program, GuestSurroundings(lambda: b"", stdout, stderr)).run(_MEMORY)
    if not outcome.is_return:
        raise BytecodeFailed(f"{outcome.payload.decode()}: {stderr.peek().decode('utf-8', 'replace')}")
    path = bytecode_path(precompiled)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(stdout.peek())
    partial.replace(path)
    return path


def _records(data: memoryview) -> Iterator[tuple[str, memoryview]]:
    position = 0
    while position < len(data):
        name_length, length = struct.unpack_from("<II", data, position)
        position += 8
        name = str(data[position : position + name_length], "utf-8")
        position += name_length
        yield name, data[position : position + length]
        position += length

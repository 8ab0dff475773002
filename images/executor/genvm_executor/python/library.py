"""The contract libraries and how the interpreter is started on them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from genvm_executor.lines import ContractLine
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.python.interpreter import PYTHON_HOME

LIBRARY_ROOT = "/py/libs"
STANDARD_ROOT = "/py/std"
"""Compiled parts of the standard library; the rest is found inside the interpreter."""
BOOTLOADER = f"{LIBRARY_ROOT}/_genlayer_runner.py"
BOOTLOADER_SOURCE = b"""\
import genvm_runner
genvm_runner.main()
"""
PYTHON_ARGUMENTS = ("py", "-u", "-B", BOOTLOADER)
PYTHON_VARIABLES = (
    f"PYTHONHOME={PYTHON_HOME}",
    f"PYTHONPATH={STANDARD_ROOT}:{LIBRARY_ROOT}",
    "PYTHONDONTWRITEBYTECODE=1",
    "pwd=/",
)


_PLACES = {"genlayer_v03/": "v03/genlayer/"}
"""Both libraries are called `genlayer` where contracts see them: one lies in a folder of its own."""


COMPILE_LINE = b"compile\n"
"""What the bootloader reads before a source that it is to compile and nothing more."""


def first_words(line: ContractLine, code: bytes = b"") -> bytes:
    """What the bootloader reads before the start message: which library it is to be, and the contract's code
    where it is compiled already."""
    if not code:
        return line.name.encode("ascii") + b"\n"
    return f"{line.name} {len(code)}\n".encode("ascii") + code


@cache
def library_sources() -> tuple[tuple[str, bytes], ...]:
    """(path below the library's root, source) of the contract libraries and what they need, sorted."""
    # Only its files are wanted.
    cloudpickle = find_spec("cloudpickle")
    assert cloudpickle is not None and cloudpickle.origin is not None

    found = [("_genlayer_runner.py", BOOTLOADER_SOURCE)]
    for root, prefix in (
        (Path(__file__).parents[1] / "guest", ""),
        (Path(cloudpickle.origin).parent, "cloudpickle/"),
    ):
        found += [
            (_placed(prefix + path.relative_to(root).as_posix()), path.read_bytes())
            for path in root.rglob("*.py")
        ]
    return tuple(sorted(found))


def _placed(path: str) -> str:
    for own, seen in _PLACES.items():
        if path.startswith(own):
            return seen + path[len(own) :]
    return path


def library_files() -> FileSystem:
    """The sources as the guest sees them below /py/libs."""
    files = FileSystem()
    for path, data in library_sources():
        files.add(f"{LIBRARY_ROOT}/{path}", data)
    return files

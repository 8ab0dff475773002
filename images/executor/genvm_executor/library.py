"""The contract library and how the interpreter is started on it."""

from __future__ import annotations

from pathlib import Path

from genvm_executor.interpreter import PYTHON_HOME
from genvm_executor.wasi.filesystem import FileSystem

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


def library_sources() -> list[tuple[str, bytes]]:
    """(path below the library's root, source) of the contract library and what it needs, sorted."""
    import cloudpickle  # noqa: PLC0415 - only its files are wanted, and only here

    found = [("_genlayer_runner.py", BOOTLOADER_SOURCE)]
    for root, prefix in (
        (Path(__file__).with_name("guest"), ""),
        (Path(cloudpickle.__file__).parent, "cloudpickle/"),
    ):
        found += [
            (prefix + path.relative_to(root).as_posix(), path.read_bytes()) for path in root.rglob("*.py")
        ]
    return sorted(found)


def library_files() -> FileSystem:
    """The sources as the guest sees them below /py/libs."""
    files = FileSystem()
    for path, data in library_sources():
        files.add(f"{LIBRARY_ROOT}/{path}", data)
    return files

"""A contract's code from a file: Python, WebAssembly (also as text), a ZIP, or a folder that becomes one."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from orchestrator import extras
from orchestrator.node.errors import BadRequest

_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_contract(path: Path) -> bytes:
    """Raises BadRequest."""
    try:
        if path.is_dir():
            return _zipped(path)
        code = path.read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {path}: {error.strerror}") from None
    return _assembled(path, code) if path.suffix == ".wat" else code


def _zipped(folder: Path) -> bytes:
    """The same folder gives the same bytes."""
    if not (folder / "runner.json").is_file():
        raise BadRequest(f"{folder} has no runner.json, which a contract of several files needs")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.writestr(
                    zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH), path.read_bytes()
                )
    return buffer.getvalue()


def _assembled(path: Path, text: bytes) -> bytes:
    try:
        import wasmtime  # noqa: PLC0415 - only the process runtime needs it to be installed
    except ImportError:
        raise BadRequest(f"WebAssembly text needs wasmtime: {extras.advice('executor')}") from None
    try:
        return bytes(wasmtime.wat2wasm(text.decode()))
    except (wasmtime.WasmtimeError, UnicodeDecodeError) as error:
        raise BadRequest(f"{path} is not WebAssembly text: {error}") from None

"""What contracts' sources were compiled to: files in a directory, bounded, each checked when it is read.

A file is named by compiler and source, and holds both, so that nobody gets one for another. Its digest finds
what a full disk or a power cut has left. The code itself is bytes here: only a contract's guest reads it.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.directories import make_directory

DIRECTORY = "codes"
"""Below the state directory."""
MOST_BYTES = 64 * 1024 * 1024
"""On the disk: about fifteen hundred contracts of 50 kB."""
UNUSED_SECONDS = 30 * 24 * 3600.0
"""What nobody has read for so long is collected."""
NAME = "code-"
"""How each is called when it is collected; the file is `NAME` and the digest of compiler and source."""
_TOUCH_SECONDS = 3600.0
_BLOCK = 4096
_MAGIC = b"GVMCODE1"
_HEAD = struct.Struct("<8s32s32s32sQ")
"""magic, SHA-256 of what comes after it, compiler, SHA-256 of the source, fuel; the code follows"""
_DIGESTED = 8 + 32
_MODE = 0o700


@dataclass(frozen=True, slots=True)
class KeptCode:
    """`code` is empty where the source cannot be compiled apart from a run; `fuel`: what it took."""

    code: bytes
    fuel: int


class CodeFiles:
    """Everything blocks. What cannot be read counts as not there."""

    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most_bytes = most_bytes

    def read(self, compiler: bytes, source: bytes) -> KeptCode | None:
        """What this compiler made of the source with this SHA-256."""
        path = self._path(compiler, source)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if len(data) < _HEAD.size:
            return self._refused(path)
        magic, digest, of_compiler, of_source, fuel = _HEAD.unpack_from(data)
        if (magic, of_compiler, of_source) != (_MAGIC, compiler, source) or digest != _digest(data):
            return self._refused(path)
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _TOUCH_SECONDS:
                os.utime(path)
        return KeptCode(data[_HEAD.size :], fuel)

    @staticmethod
    def _refused(path: Path) -> None:
        with suppress(OSError):
            path.unlink()

    def write(self, compiler: bytes, source: bytes, kept: KeptCode) -> None:
        """Keep it, in place of what was used longest ago where there is no room. Raises OSError."""
        make_directory(self._directory, _MODE)
        tail = struct.pack("<32s32sQ", compiler, source, kept.fuel) + kept.code
        head = struct.pack("<8s32s", _MAGIC, hashlib.sha256(tail).digest())
        path = self._path(compiler, source)
        partial = path.with_suffix(".partial")
        partial.write_bytes(head + tail)
        partial.replace(path)
        self._make_room()

    def _make_room(self) -> None:
        files = sorted(self._files(), key=lambda one: one[1].st_mtime)
        total = sum(_size(stat) for _, stat in files)
        for path, stat in files[:-1]:
            if total <= self._most_bytes:
                return
            with suppress(OSError):
                path.unlink()
                total -= _size(stat)

    def unused(self) -> list[Path]:
        """What `collect` would remove."""
        before = time.time() - UNUSED_SECONDS
        return sorted(path for path, stat in self._files() if stat.st_mtime < before)

    def collect(self) -> list[str]:
        """Remove what nobody has used for long; the names."""
        removed = []
        for path in self.unused():
            with suppress(OSError):
                path.unlink()
                removed.append(path.name)
        return removed

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        with suppress(OSError):
            for path in self._directory.iterdir():
                with suppress(OSError):
                    yield path, path.stat()

    def _path(self, compiler: bytes, source: bytes) -> Path:
        return self._directory / f"{NAME}{hashlib.sha256(compiler + source).hexdigest()}"


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(memoryview(data)[_DIGESTED:]).digest()


def _size(stat: os.stat_result) -> int:
    return -(-stat.st_size // _BLOCK) * _BLOCK

"""Custom sections of a WebAssembly core module."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

WASM_MAGIC: Final = b"\x00asm\x01\x00\x00\x00"
MOST_SECTIONS: Final = 10_000
"""Looked at: a module of a hundred mebibytes could have fifty million."""


def custom_section(module: bytes, name: bytes) -> bytes | None:
    """The content of the first custom section called `name`; null if there is none before any damage,
    or among the first `MOST_SECTIONS`.
    """
    for kind, start, end in islice(_sections(module), MOST_SECTIONS):
        if kind != 0:
            continue
        read = _length(module, start, end)
        if read is None:
            return None
        size, at = read
        if at + size <= end and module[at : at + size] == name:
            return module[at + size : end]
    return None


def module_name(module: bytes) -> str | None:
    """What the module's names say that it is called; null where they do not."""
    names = custom_section(module, b"name")
    if not names or names[0] != 0:
        return None
    read = _length(names, 1, len(names))
    inner = _length(names, read[1], len(names)) if read else None
    if inner is None or inner[1] + inner[0] > len(names):
        return None
    return names[inner[1] : inner[1] + inner[0]].decode("utf-8", "replace")


def _sections(module: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, start and end of each section."""
    at = len(WASM_MAGIC)
    while at < len(module):
        read = _length(module, at + 1, len(module))
        if read is None or read[1] + read[0] > len(module):
            return
        size, start = read
        yield module[at], start, start + size
        at = start + size


def _length(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """A u32 in LEB128 (padding allowed, at most five bytes) and the offset after it."""
    value = 0
    for index in range(5):
        if at + index >= end:
            return None
        byte = data[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    return None

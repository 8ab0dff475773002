"""Just enough of the WebAssembly binary format to take modules apart and give the interpreter another memory.

Of the interpreter only its shape is handled: one memory, one global (the stack pointer), active data in
memory 0. Contracts' own modules come here from `wasm_rules`, once the engine has found them valid.
"""

from __future__ import annotations

from collections.abc import Iterator

PAGE = 65536
HEADER = b"\0asm\1\0\0\0"
_CUSTOM, _MEMORY, _GLOBAL, _EXPORT, _DATA = 0, 5, 6, 7, 11
_BLOCK = 4096


class UnexpectedModule(Exception):
    """The module has another shape than the pinned interpreter."""


def uleb(number: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def sleb(number: int) -> bytes:
    """Signed LEB128 of a number that is not negative."""
    body = bytearray(uleb(number))
    if body[-1] & 0x40:
        body[-1] |= 0x80
        body.append(0)
    return bytes(body)


def read_uleb(data: bytes, at: int) -> tuple[int, int]:
    """(number, position after it)."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def sections(module: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, content) of every section but the custom ones. Raises UnexpectedModule."""
    if not module.startswith(HEADER):
        raise UnexpectedModule("no WebAssembly module")
    at = len(HEADER)
    while at < len(module):
        number = module[at]
        size, at = read_uleb(module, at + 1)
        if number != _CUSTOM:
            yield number, module[at : at + size]
        at += size


def with_name(module: bytes, name: str) -> bytes:
    """The module with a section that says what it is called."""
    raw = name.encode()
    called = b"\0" + uleb(len(uleb(len(raw))) + len(raw)) + uleb(len(raw)) + raw
    content = b"\x04name" + called
    return module + b"\0" + uleb(len(content)) + content


def with_memory(module: bytes, *, pages: int, stack_pointer: int, content: bytes | None = None) -> bytes:
    """The module with a memory of `pages` and its stack growing down from `stack_pointer`.

    `content` replaces what is in the memory at first. Custom sections are dropped. Raises UnexpectedModule.
    """
    replaced = {
        _MEMORY: b"\1\0" + uleb(pages),
        _GLOBAL: b"\1\x7f\1\x41" + sleb(stack_pointer) + b"\x0b",
    }
    if content is not None:
        replaced[_DATA] = _data(content)
    out = bytearray(HEADER)
    for number, old in sections(module):
        if number == _GLOBAL and not old.startswith(b"\1\x7f\1\x41"):
            raise UnexpectedModule("more than a stack pointer among the globals")
        _put(out, number, replaced.get(number, old))
    return bytes(out)


def with_exported_stack_pointer(module: bytes, name: bytes) -> bytes:
    """The module with its global among its exports."""
    out = bytearray(HEADER)
    for number, content in sections(module):
        if number == _EXPORT:
            count, at = read_uleb(content, 0)
            _put(out, number, uleb(count + 1) + content[at:] + uleb(len(name)) + name + b"\3\0")
        else:
            _put(out, number, content)
    return bytes(out)


def _put(out: bytearray, number: int, content: bytes) -> None:
    out += bytes([number]) + uleb(len(content)) + content


def initial_pages(module: bytes) -> int:
    """Pages of the module's memory. Raises UnexpectedModule."""
    content = dict(sections(module)).get(_MEMORY, b"")
    if content[:2] != b"\1\0":
        raise UnexpectedModule("not exactly one unlimited memory")
    return read_uleb(content, 2)[0]


def _data(memory: bytes) -> bytes:
    segments = list(_segments(memory))
    out = bytearray(uleb(len(segments)))
    for start, end in segments:
        out += b"\0\x41" + sleb(start) + b"\x0b" + uleb(end - start) + memory[start:end]
    return bytes(out)


def _segments(memory: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of what is not zero, in whole blocks."""
    start: int | None = None
    zeros = bytes(_BLOCK)
    for at in range(0, len(memory), _BLOCK):
        empty = memory[at : at + _BLOCK] == zeros[: len(memory) - at]
        if empty and start is not None:
            yield start, at
            start = None
        elif not empty and start is None:
            start = at
    if start is not None:
        yield start, len(memory)

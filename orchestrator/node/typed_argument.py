"""Contract arguments whose type is said: `u256:5`, `address:0x…`, `file:picture.png`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from genvm_wire.calldata import Value
from orchestrator.node.argument_text import parse_address, parse_json
from orchestrator.node.errors import BadRequest

_SIZED: Final = re.compile(r"([ui])(\d{1,3})")
_WORDS: Final = MappingProxyType({"true": True, "false": False})


def parse_typed(text: str) -> Value:
    """`TYPE:VALUE`. Raises BadRequest, which lists the types."""
    kind, colon, value = text.partition(":")
    if not colon:
        raise BadRequest(f"{text!r:.60} is not TYPE:VALUE; the types are {TYPES}")
    if (sized := _SIZED.fullmatch(kind)) is not None:
        return _sized(sized[1] == "i", int(sized[2]), value)
    reader = _READERS.get(kind)
    if reader is None:
        raise BadRequest(f"there is no type {kind!r:.40}; the types are {TYPES}")
    return reader(value)


def _sized(signed: bool, bits: int, text: str) -> int:
    if bits % 8 or not 8 <= bits <= 256:
        raise BadRequest(f"integers have 8, 16, 24 … 256 bits, not {bits}")
    value = _integer(text)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise BadRequest(f"{text:.80} does not fit {'i' if signed else 'u'}{bits}: {low} to {high - 1}")
    return value


def _integer(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise BadRequest(f"{text!r:.80} is no integer (decimal, 0x…, 0b…)") from None


def _bool(text: str) -> bool:
    if text not in _WORDS:
        raise BadRequest(f"{text!r:.60} is neither true nor false")
    return _WORDS[text]


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise BadRequest(f"{text!r:.60} is not hex digits in pairs") from None


def _file(text: str) -> bytes:
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise BadRequest(f"cannot read {text}: {error.strerror}") from None


def _text_file(text: str) -> str:
    try:
        return _file(text).decode()
    except UnicodeDecodeError:
        raise BadRequest(f"{text} is not UTF-8; use file: for its bytes") from None


def _null(text: str) -> None:
    if text:
        raise BadRequest("null: has no value")


_READERS: Final[Mapping[str, Callable[[str], Value]]] = MappingProxyType(
    {
        "int": _integer,
        "bool": _bool,
        "str": str,
        "bytes": _bytes,
        "address": parse_address,
        "null": _null,
        "json": parse_json,
        "file": _file,
        "text": _text_file,
        "jsonfile": lambda text: parse_json(_text_file(text)),
    }
)
TYPES: Final = ", ".join(["u8 … u256", "i8 … i256", *_READERS])

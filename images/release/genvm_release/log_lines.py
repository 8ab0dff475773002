"""The program's log, one JSON object a line, as records for the manager (host-protocol 5)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from genvm_wire.calldata import Encodable

LONGEST_LINE = 64 * 1024
DEEPEST = 32
MOST_ITEMS = 128
LEVELS = {
    "trace": "trace",
    "debug": "debug",
    "info": "info",
    "warn": "warn",
    "warning": "warn",
    "error": "error",
}
OF_THE_RECORD = ("level", "message")


class LogLines:
    """Cuts a stream of bytes into records, and lines that are too long short."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Encodable]]:
        """The records that are complete with these bytes."""
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._add(line)
            yield from self.end()
        self._add(rest)

    def end(self) -> Iterator[dict[str, Encodable]]:
        """What is left when the stream, or a line, ends."""
        line, self._begun = bytes(self._begun), bytearray()
        if line.strip():
            yield record(line)

    def _add(self, data: bytes) -> None:
        self._begun += data[: LONGEST_LINE - len(self._begun)]


def record(line: bytes) -> dict[str, Encodable]:
    """One line; what is no JSON object is a record that has the text."""
    text = line.decode("utf-8", "replace")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return {"level": "info", "message": "genvm log", "line": text}
    fields = {str(key): _value(value, DEEPEST) for key, value in said.items() if key not in OF_THE_RECORD}
    return fields | {
        "level": LEVELS.get(str(said.get("level")), "info"),
        "message": _text(said.get("message", "")),
    }


def _value(value: Any, depth: int) -> Encodable:
    if depth == 0:
        return "$TooDeep"
    match value:
        case dict():
            return {_text(key): _value(item, depth - 1) for key, item in list(value.items())[:MOST_ITEMS]}
        case list():
            return [_value(item, depth - 1) for item in value[:MOST_ITEMS]]
        case float():
            return str(value)
    return _text(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    """A string that begins with a dollar sign has a second one before it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.removeprefix("$" if text.startswith("$$") else "").encode("utf-8", "replace").decode()

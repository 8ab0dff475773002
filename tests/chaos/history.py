"""What clients and nodes saw, written down where the system under test cannot reach it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar


@dataclass(frozen=True, slots=True)
class Accepted:
    """A client was told `id` for its `key`; `work` names what the run does, `cost` its permits."""

    key: str
    id: int
    host: str
    work: str
    cost: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A connection to a node's host socket that carried at least one byte."""

    key: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """A node took a result, shown in hex."""

    key: str
    result: str


@dataclass(frozen=True, slots=True)
class StatusRead:
    """A client read a final status."""

    key: str
    id: int
    cause: str
    reason: str | None
    finished_at: int


@dataclass(frozen=True, slots=True)
class PermitsSeen:
    """How many permits the containers that exist are worth, by the engine's own list, and the maximum."""

    in_use: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to the system; `id` is the run that it was aimed at, if it was aimed."""

    kind: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a round: what is left over, and what the manager says that is free."""

    containers: tuple[str, ...]
    directories: tuple[str, ...]
    permits_free: int
    permits_maximum: int


Entry = Accepted | Conversation | Delivered | StatusRead | PermitsSeen | Fault | Settled
One = TypeVar("One", Accepted, Conversation, Delivered, StatusRead, PermitsSeen, Fault, Settled)


class History:
    """Entries in the order in which they were seen; each is in a file, as JSON, when `add` returns."""

    def __init__(self, file: Path) -> None:
        self._file: IO[str] = file.open("a", encoding="utf-8", buffering=1)
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        line = {"at": time.time(), "what": type(entry).__name__} | dataclasses.asdict(entry)
        self._file.write(json.dumps(line) + "\n")

    def all(self, kind: type[One]) -> Iterator[One]:
        """The entries of one kind."""
        return (entry for entry in self._entries if isinstance(entry, kind))

    def close(self) -> None:
        self._file.close()

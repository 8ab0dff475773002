"""What a real cluster answered and showed, as recorded (tests/vectors/kubernetes-vectors.json)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "vectors" / "kubernetes-vectors.json"


@dataclass(frozen=True)
class Recorded:
    """One request and its answer. `answer`: the Status as it was, else the gist, or the text."""

    name: str
    method: str
    path: str
    content_type: str | None
    body: Any
    status: int
    answer: Any
    retry_after: str | None = None
    warnings: tuple[str, ...] = ()


@cache
def _file() -> dict[str, Any]:
    return dict(json.loads(FILE.read_text("utf-8")))


def answers() -> list[Recorded]:
    return [
        Recorded(**{**entry, "body": entry.get("body"), "warnings": tuple(entry.get("warnings", ()))})
        for entry in _file()["answers"]
    ]


def answer(name: str) -> Recorded:
    return next(entry for entry in answers() if entry.name == name)


def watches() -> list[dict[str, Any]]:
    return list(_file()["watches"])


def lives() -> dict[str, list[dict[str, Any]]]:
    """By cause, every state of a Pod as its events showed them: type, deletion and status."""
    return {entry["name"]: entry["events"] for entry in _file()["pod_sequences"]}


def life_spec(name: str) -> dict[str, Any]:
    """The spec of the Pod that lived so."""
    return dict(next(entry["pod_spec"] for entry in _file()["pod_sequences"] if entry["name"] == name))

"""What goes to a provider and what comes back, whatever the provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from genvm_llm.merging import Json
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers.endings import Ending
from genvm_llm.providers.faults import Fault
from genvm_llm.usage import Usage


@dataclass(frozen=True, slots=True)
class Call:
    """A POST: `path` goes behind the backend's address. `headers` hold the key and are never shown."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: dict[str, Json] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered: text, or an object where the provider gives one; None when there was neither.

    `finish` is the provider's own word for why it ended. With a `fault` it is no answer.
    """

    content: str | dict[str, Json] | None
    usage: Usage = field(default_factory=Usage)
    ending: Ending = Ending.UNTOLD
    finish: str = ""
    fault: Fault | None = None


MakeCall: TypeAlias = "Callable[[Prompt, Format, str, str], Call]"
ReadReply: TypeAlias = "Callable[[Json, Format], Reply]"


@dataclass(frozen=True, slots=True)
class Provider:
    """`call(prompt, format, model, key)`; `read(body, format)`, which never raises for any JSON value.

    `api` is the path that a backend's `api_path` stands for: in front of every call's own.
    """

    call: MakeCall
    read: ReadReply
    api: str
    takes_extra: bool = False


def at(value: Json, *path: str | int) -> Json:
    """The value at `path`, or None when there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def text_at(value: Json, *path: str | int) -> str | None:
    """The string at `path`, or None."""
    found = at(value, *path)
    return found if isinstance(found, str) else None


def list_at(value: Json, *path: str | int) -> list[Json]:
    """The list at `path`, or an empty one."""
    found = at(value, *path)
    return found if isinstance(found, list) else []

"""What a setting says of itself: what it is, why its default is what it is, and its unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

MIB = 1024 * 1024
LONGEST = 1e9
"""Seconds that a setting may say, three decades: what is longer, or infinite, fits into no date."""


class Unit(StrEnum):
    """What a value counts, or what kind of word it is."""

    BYTES = "bytes"
    SECONDS = "seconds"
    CORES = "processor cores"
    TASKS = "processes and threads"
    RUNS = "runs"
    PERMITS = "permits"
    PERMITS_PER_GIB = "permits for each GiB"
    INSTANCES = "instances"
    STARTS = "starts at a time"
    CONNECTIONS = "connections"
    RECORDS = "log records"
    SHARE = "share, 0 to 1"
    PORT = "TCP port"
    ADDRESS = "name or address"
    NETWORKS = "networks"
    NAME = "name"
    NAMES = "names"
    IMAGE = "image"
    PATH = "path"
    PATHS = "paths"
    URL = "URL"
    MODE = "octal mode"
    SWITCH = "true or false"
    CHOICE = "one of the words"


@dataclass(frozen=True, slots=True)
class About:
    """`shown`: the default as people read it, where it depends on the machine."""

    what: str
    why: str
    unit: Unit
    shown: str | None = None


class Group(BaseModel):
    """Settings that belong together. Only what is made of all groups ever reads any."""

    model_config = ConfigDict(defer_build=True)


def setting(
    default: Any = ...,
    what: str = "",
    *,
    why: str,
    unit: Unit,
    made: Callable[[], Any] | None = None,
    shown: str | None = None,
    **bounds: Any,
) -> Any:
    """A field with its default, or with what makes it; `bounds` are pydantic's."""
    extra: JsonDict = {"why": why, "unit": unit.value, "shown": shown}
    if unit is Unit.SECONDS:
        bounds = {"le": LONGEST} | bounds
    if made is not None:
        return Field(default_factory=made, description=what, json_schema_extra=extra, **bounds)
    return Field(default, description=what, json_schema_extra=extra, **bounds)


def about_of(field: FieldInfo) -> About:
    """Raises ValueError for a field that does not say all of it."""
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or not field.description or not extra.get("why"):
        raise ValueError("a setting says what it is, why its default is what it is, and its unit")
    shown = extra["shown"]
    shown = None if shown is None else str(shown)
    return About(field.description, str(extra["why"]), Unit(str(extra["unit"])), shown)

"""Kinds of values that settings have, and how they are written."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, IPvAnyNetwork, SecretStr, StringConstraints
from pydantic_settings import NoDecode

HostName = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")]

ListeningPlace = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")
]


ManagerId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


DATABASES = ("postgresql://", "postgresql+psycopg://", "sqlite://")


def _database_url(url: SecretStr) -> SecretStr:
    """What databases' drivers make of other addresses are tracebacks, some with a password in them."""
    text = url.get_secret_value()
    if not text.startswith(DATABASES):
        raise ValueError(f"the journal is in PostgreSQL or SQLite: it begins with {', '.join(DATABASES)}")
    if text.startswith("sqlite"):
        name = text.partition(":///")[2]
        if not name or "?" in name or name.startswith((":memory:", "file:")):
            raise ValueError("a journal in SQLite is a file: write sqlite:////var/lib/…/journal.sqlite")
        return url
    place = text.partition("://")[2].rpartition("@")[2].partition("/")[0].partition("?")[0]
    try:
        urlsplit(f"//{place}").port  # noqa: B018 - asking for it is the test
    except ValueError:
        raise ValueError(
            "the journal's host and port cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]


VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,100}$")]

# As shipped configurations, GenLayer's and the providers' own documentation name them.
PROVIDER_KEYS = (
    "MAIN_LLM_KEY", "OPENAIKEY", "ANTHROPICKEY", "GEMINIKEY", "HEURISTKEY", "XAIKEY",
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "XAI_API_KEY",
    "OPENROUTER_API_KEY", "GROQ_API_KEY", "DEEPSEEK_API_KEY", "MISTRAL_API_KEY", "HEURIST_API_KEY",
)  # fmt: skip


def _octal(value: Any) -> Any:
    """YAML reads 0660 as a number."""
    return f"{value:04o}" if isinstance(value, int) else value


OctalMode = Annotated[str, BeforeValidator(_octal), StringConstraints(pattern=r"^0?[0-7]{3}$")]


LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error")


def _named(path: Any) -> Any:
    """An empty path would be the working directory: a variable that was to be filled in and was not."""
    if path == "":
        raise ValueError("is empty: name a path, or leave the setting out")
    return path


NamedPath = Annotated[Path, BeforeValidator(_named)]


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value


LogLevel = Annotated[str, AfterValidator(_log_level)]


class InstanceNetwork(StrEnum):
    """An empty network namespace that all executors share, or one for each."""

    VOID = "void"
    OWN = "own"


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ShutdownPolicy(StrEnum):
    """At SIGTERM: end the runs, or leave them to the next manager on the same state directory."""

    DRAIN = "drain"
    DETACH = "detach"


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


PRIVATE_NETWORKS = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
)  # fmt: skip


POD_NETWORKS = tuple(text for text in PRIVATE_NETWORKS if text not in ("127.0.0.0/8", "::1/128"))
"""Loopback is a Pod's own."""

ServerUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#]+/?$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


def default_node_sockets() -> tuple[Path, ...]:
    """Temporary directories, where clients' libraries make their sockets, and run directories of nodes."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    found = ["/tmp", "/var/tmp", os.environ.get("TMPDIR", ""), "/run/genvm-node"]  # noqa: S108
    found.append(f"{session}/genvm-node" if session else "")
    return tuple(dict.fromkeys(Path(name) for name in found if name.startswith("/")))


def split(value: Any, separator: str) -> Any:
    """A list in one variable, as JSON or simply with separators."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part for part in map(str.strip, value.split(separator)) if part]


def _with_commas(value: Any) -> Any:
    """In the environment a list is JSON, or simply has commas."""
    return split(value, ",")


def _with_colons(value: Any) -> Any:
    return split(value, ":")


def _directories_of_nodes(directories: tuple[Path, ...]) -> tuple[Path, ...]:
    for one in directories:
        if not one.is_absolute() or one == Path("/") or ".." in one.parts:
            raise ValueError(f"{str(one)!r} is not the absolute path of a directory below /")
    return directories


Commas = BeforeValidator(_with_commas)

HostNames = Annotated[list[HostName], NoDecode, Commas]
ListeningPlaces = Annotated[list[ListeningPlace], NoDecode, Commas]
ObjectNames = Annotated[list[ObjectName], NoDecode, Commas]
VariableNames = Annotated[list[VariableName], NoDecode, Commas]


def _network(value: object) -> object:
    """Read here: of what is neither of two kinds both would complain, each in its own words."""
    try:
        return ip_network(value) if isinstance(value, str) else value
    except ValueError:
        # Without the value, which may be a secret in the wrong place.
        text = "a network is written like 10.0.0.0/8 or fd00::/8, and its address ends where the mask does"
        raise ValueError(text) from None


Addresses = Annotated[list[IPvAnyNetwork], NoDecode, Commas]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Networks = Annotated[tuple[Network, ...], NoDecode, Commas]
NodeDirectories = Annotated[
    tuple[Path, ...], NoDecode, BeforeValidator(_with_colons), AfterValidator(_directories_of_nodes)
]

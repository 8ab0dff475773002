"""Where the user's Docker client would go: `docker context use` is remembered in files of its own.

The SDK knows nothing of contexts: without this, whoever has chosen one (rootless, Desktop, Colima, a machine
elsewhere) would be told that no engine answers at the usual socket.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT = "default"
AUTHORITY, CERTIFICATE, KEY = "ca.pem", "cert.pem", "key.pem"


class BadContext(ValueError):
    """A context that is chosen, and not to be found or of another shape; the text has its name."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for an engine's TLS. `authority`: null for the system's; `own`: certificate and key."""

    authority: str | None = None
    own: tuple[str, str] | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True)
class DockerContext:
    """`tls`: null where the engine is spoken to without."""

    name: str
    host: str
    tls: Tls | None = None


def config_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's Docker client keeps its files. A user without a home has none, and no failure."""
    return Path(environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker"))  # noqa: PTH111


def chosen_context(environ: Mapping[str, str] = os.environ) -> DockerContext | None:
    """The context that the user's client would use, in the client's own order; null: none is chosen.

    Blocking. Raises BadContext.
    """
    if environ.get("DOCKER_HOST"):
        return None
    folder = config_folder(environ)
    name = environ.get("DOCKER_CONTEXT") or _current(folder)
    return None if name in ("", DEFAULT) else _context(folder / "contexts", name)


def _current(folder: Path) -> str:
    """A file of another shape is somebody else's to complain about: the SDK reads it, too."""
    try:
        found = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    name = found.get("currentContext") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _context(folder: Path, name: str) -> DockerContext:
    identity = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    try:
        meta: Any = json.loads((folder / "meta" / identity / "meta.json").read_text("utf-8"))
        endpoint = meta["Endpoints"]["docker"]
        host, verify = endpoint["Host"], not endpoint.get("SkipTLSVerify", False)
    except FileNotFoundError:
        raise BadContext(f"there is no context {name!r}; `docker context ls` shows those there are") from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BadContext(f"context {name!r} cannot be read ({type(error).__name__})") from None
    if not isinstance(host, str) or not host:
        raise BadContext(f"context {name!r} has no host")
    return DockerContext(name, host, _tls(folder / "tls" / identity / "docker", verify=verify))


def own_files(folder: Path) -> tuple[str, str] | None:
    """The client's certificate and key; None where it has neither. Half a pair is for the SDK to refuse."""
    files = folder / CERTIFICATE, folder / KEY
    return (str(files[0]), str(files[1])) if any(file.exists() for file in files) else None


def _tls(folder: Path, *, verify: bool) -> Tls | None:
    """As the client does: any of the files, or the wish not to verify, means that there is TLS."""
    authority, own = folder / AUTHORITY, own_files(folder)
    known = str(authority) if authority.exists() else None
    return Tls(known, own, verify) if known or own or not verify else None

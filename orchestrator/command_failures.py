"""What the command says of a failure that its user can mend. Imported once there is one.

Naming the failures means importing what raises them: the database's, the settings', the manifest's.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import TypeGuard

from pydantic import ValidationError

from orchestrator.access.credentials import NoCredentials
from orchestrator.access.entries import BadTokens
from orchestrator.api.members.proof import BadSecret
from orchestrator.contracts.manifest import ManifestError
from orchestrator.exposure import CannotListen
from orchestrator.runtime.port import RuntimeFailure
from orchestrator.settings import BadConfig
from orchestrator.state_dir import StateDirUnusable
from orchestrator.store.port import StoreFailure
from orchestrator.traces.traces import TracesNotInstalled

_SAID_IN_ONE_LINE = (
    FileNotFoundError,
    StateDirUnusable,
    ManifestError,
    RuntimeFailure,
    StoreFailure,
    BadTokens,
    NoCredentials,
    BadSecret,
    CannotListen,
    BadConfig,
    TracesNotInstalled,
)
NAMES = (
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EROFS,
)
_ADVICE: Mapping[type[Exception], str] = {
    ManifestError: "mend it by docs/manifest.md, or name another file (GENVM_MANIFEST)",
    BadTokens: "mend it by docs/access.md, or name another file (GENVM_TOKENS_FILE)",
    BadSecret: "give all managers the same file of random bytes (docs/managers.md)",
}
"""Where what failed does not say itself what to do: it is also told to clients, who can do nothing."""


def explained(error: Exception) -> list[str]:
    """The lines to print; none for a defect, which deserves its traceback."""
    if isinstance(error, ValidationError):
        return _settings(error)
    if _is_of_a_name(error):
        # Whoever has named the file, or may not have it, sees by its name what to do.
        return [f"{os.fsdecode(error.filename)}: {error.strerror}"]
    # Databases and readers of YAML say what they have to say in several lines.
    if not isinstance(error, _SAID_IN_ONE_LINE):
        return []
    advice = _ADVICE.get(type(error))
    return [" ".join(f"{error}; {advice}".split() if advice else str(error).split())]


def _is_of_a_name(error: Exception) -> TypeGuard[OSError]:
    """What is wrong with a file's name, or who asks for it; not with the machine, or with this program."""
    return (
        isinstance(error, OSError)
        and isinstance(error.filename, str | bytes)
        and error.filename2 is None
        and error.errno in NAMES
    )


def _settings(error: ValidationError) -> list[str]:
    return [
        f"{_named(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    ]


def _named(place: tuple[int | str, ...]) -> str:
    """Two settings that do not go together are named in the text."""
    return f"setting {'.'.join(map(str, place))}" if place else "settings"

"""What the command says of a failure that its user can mend. Imported once there is one.

Naming the failures means importing what raises them: the database's, the settings', the manifest's.
"""

from __future__ import annotations

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


def explained(error: Exception) -> list[str]:
    """The lines to print; none for a defect, which deserves its traceback."""
    if isinstance(error, ValidationError):
        return _settings(error)
    # Databases and readers of YAML say what they have to say in several lines.
    return [" ".join(str(error).split())] if isinstance(error, _SAID_IN_ONE_LINE) else []


def _settings(error: ValidationError) -> list[str]:
    return [
        f"{_named(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    ]


def _named(place: tuple[int | str, ...]) -> str:
    """Two settings that do not go together are named in the text."""
    return f"setting {'.'.join(map(str, place))}" if place else "settings"

"""Where the manager with some settings keeps its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrator.settings import Settings
from orchestrator.store.sqlite import is_sqlite, sqlite_file, sqlite_url

JOURNAL_FILE: Final = "journal.sqlite"


def journal_url(settings: Settings) -> str:
    """It may hold a password."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return sqlite_url(settings.state_dir / JOURNAL_FILE)


def journal_file(settings: Settings) -> Path | None:
    """None where a database server has it."""
    url = journal_url(settings)
    return sqlite_file(url) if is_sqlite(url) else None

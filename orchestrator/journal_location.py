"""Where the manager with some settings keeps its journal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orchestrator.settings import Settings
from orchestrator.store.sqlite import sqlite_url

JOURNAL_FILE: Final = "journal.sqlite"


def journal_file(settings: Settings) -> Path:
    """In the state directory; for settings without a database server."""
    return settings.state_dir / JOURNAL_FILE


def journal_url(settings: Settings) -> str:
    """It may hold a password."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return sqlite_url(journal_file(settings))

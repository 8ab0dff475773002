"""What a database's errors are to us."""

from __future__ import annotations

import sqlite3

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, SQLAlchemyError

from orchestrator.store.port import RowUnstorable, StoreFailure, StoreFull, StoreUnavailable, StoreUnusable

SQLITE, POSTGRESQL = "sqlite", 5432
NO_DATABASE = "file is not a database"
UNREADABLE = (
    "the journal's URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
    "(GENVM_DATABASE_URL)"
)


class translated:
    """A context in which the database's errors become ours, SQLAlchemy's and SQLite's own."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError | sqlite3.Error):
            raise _failure(error) from error


class opening:
    """A context in which a journal is opened: what fails says what to do about it, too."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        told = error
        if isinstance(error, UnicodeError):
            # Of the driver, when it looks the host up; the URL names it, or the environment.
            told = StoreUnavailable("the journal's host cannot be looked up: its name is none")
        elif isinstance(error, ValueError):
            told = StoreUnusable(UNREADABLE)
        if isinstance(told, StoreUnavailable | StoreFull):
            raise type(told)(f"{told}; {_advice(str(told), make_url(self._url))}") from error
        if told is not error:
            assert told is not None
            raise told from error


def _advice(said: str, url: URL) -> str:
    if url.get_backend_name() != SQLITE:
        where = f"{url.host or url.query.get('host') or 'this machine'}:{url.port or POSTGRESQL}"
        return (
            f"see that PostgreSQL runs at {where}, has the database {url.database or url.username} and lets "
            "the user in, or name another journal (GENVM_DATABASE_URL)"
        )
    if NO_DATABASE in said:
        # Its log left behind is thrown away by what makes the next one.
        aside = f"move {url.database} away, with its -wal and -shm"
        return f"{aside}, or bring it back from a backup (docs/backup.md)"
    return (
        "see that its directory is there, has room, and is this user's to write, "
        "or name another one (GENVM_STATE_DIR, GENVM_DATABASE_URL)"
    )


def _failure(error: SQLAlchemyError | sqlite3.Error) -> StoreFailure:
    """What an operator needs to know; never the statement's values, which hold contract data."""
    if isinstance(error, DataError | sqlite3.DataError):
        return RowUnstorable("a row cannot be stored: the database refuses its values")
    if isinstance(error, ArgumentError):
        return StoreUnusable(UNREADABLE)
    text = _text(error)
    if "disk is full" in text or "No space left" in text or "disk I/O error" in text:
        return StoreFull(f"the journal cannot be written: {text.strip()}")
    return StoreUnavailable(f"the journal does not answer: {text.strip()}")


def _text(error: SQLAlchemyError | sqlite3.Error) -> str:
    if isinstance(error, DBAPIError):
        return str(error.orig)
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__

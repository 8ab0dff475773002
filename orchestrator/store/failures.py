"""What a database's errors are to us."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError

from orchestrator.store.port import RowUnstorable, StoreFailure, StoreFull, StoreUnavailable


class translated:
    """A context in which the database's errors become ours, SQLAlchemy's and SQLite's own."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SQLAlchemyError | sqlite3.Error):
            raise _failure(error) from error


def _failure(error: SQLAlchemyError | sqlite3.Error) -> StoreFailure:
    """What an operator needs to know; never the statement's values, which hold contract data."""
    if isinstance(error, DataError | sqlite3.DataError):
        return RowUnstorable("a row cannot be stored: the database refuses its values")
    text = _text(error)
    if "disk is full" in text or "No space left" in text or "disk I/O error" in text:
        return StoreFull(f"the journal cannot be written: {text.strip()}")
    return StoreUnavailable(f"the journal does not answer: {text.strip()}")


def _text(error: SQLAlchemyError | sqlite3.Error) -> str:
    if isinstance(error, DBAPIError):
        return str(error.orig)
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__

"""Statements that every run needs, and that are given values by name."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, Update

SQLITE = "sqlite"


class Prepared:
    """A statement for rows that have the same columns again and again.

    SQLite is called without SQLAlchemy between: what that does for one row takes longer than SQLite itself,
    and the journal's thread holds the interpreter meanwhile. To a server it makes no difference.
    """

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._forms: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = {}

    def execute(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """In the connection's transaction. Raises SQLAlchemyError, sqlite3.Error."""
        if connection.dialect.name != SQLITE:
            connection.execute(self._statement, dict(values))
            return
        given = tuple(values)
        form = self._forms.get(given)
        if form is None:
            form = self._forms[given] = self._form(connection.dialect, given)
        text, names = form
        driver_of(connection).execute(text, [values[name] for name in names])

    def _form(self, dialect: Dialect, given: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Its text, and whose values it takes in which order."""
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=list(given))
        return str(compiled), tuple(compiled.positiontup)


def driver_of(connection: Connection) -> sqlite3.Connection:
    """SQLite's own connection."""
    driver: Any = connection.connection.driver_connection
    return driver  # type: ignore[no-any-return]

"""PostgreSQL's `INSERT … ON CONFLICT`. Its dialect takes megabytes, and most managers use SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Table

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert


def upsert(table: Table) -> Insert:
    """An insert that may say what is to be done where a row is there already."""
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415 (see above)

    return insert(table)

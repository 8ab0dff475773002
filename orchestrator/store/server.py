"""What a database server has to be told, and asked, that a file needs not be."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from orchestrator.store.port import StoreUnusable

CLIENT: Final = {"client_encoding": "UTF8", "connect_timeout": 10}
"""For every connection. The server's own word for the encoding is taken otherwise, and where that is
SQL_ASCII, as in databases that were made under the locale C, text is bytes. Seconds: a server that accepts
and never answers kept the process for minutes, whatever ordered it to stop."""
HOLD_ALL_TEXT: Final = frozenset({"UTF8", "SQL_ASCII"})


def check_encoding(connection: Connection) -> None:
    """Raises StoreUnusable for a database that some texts cannot be written into."""
    encoding = str(connection.scalar(text("SHOW server_encoding")))
    if encoding not in HOLD_ALL_TEXT:
        raise StoreUnusable(
            f"the database has the encoding {encoding}, which lacks characters that runs may have: "
            "make one with CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
        )

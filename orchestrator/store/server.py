"""What a database server has to be told, and asked, that a file needs not be."""

from __future__ import annotations

import os
from typing import Any, Final

from sqlalchemy import Connection, make_url, text

from orchestrator.store.port import StoreUnusable

CONNECT_TIMEOUT = 5
"""Seconds for each address: a server that accepts and never answers kept the process for minutes, whatever
ordered it to stop."""
HOLD_ALL_TEXT: Final = frozenset({"UTF8", "SQL_ASCII"})


def client_options(url: str) -> dict[str, Any]:
    """For every connection to the server that `url` names. Raises what `make_url` does.

    The server's own word for the encoding is taken otherwise, and where that is SQL_ASCII, as in databases
    that were made under the locale C, text is bytes.
    """
    options: dict[str, Any] = {"client_encoding": "UTF8"}
    if "connect_timeout" not in make_url(url).query and "PGCONNECT_TIMEOUT" not in os.environ:
        options["connect_timeout"] = CONNECT_TIMEOUT
    return options


def check_encoding(connection: Connection) -> None:
    """Raises StoreUnusable for a database that some texts cannot be written into."""
    encoding = str(connection.scalar(text("SHOW server_encoding")))
    if encoding not in HOLD_ALL_TEXT:
        raise StoreUnusable(
            f"the database has the encoding {encoding}, which lacks characters that runs may have: "
            "make one with CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
        )

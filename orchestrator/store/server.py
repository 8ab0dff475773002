"""What a database server has to be told, and asked, that a file needs not be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Connection, make_url, text

from orchestrator.store.port import StoreUnusable

CONNECT_TIMEOUT = 5
"""Seconds for each address: a server that accepts and never answers kept the process for minutes, whatever
ordered it to stop."""
LOCK_TIMEOUT = 60
"""Seconds: who migrates a large journal may take so long, and who holds its tables any longer is named."""
HOLD_ALL_TEXT: Final = frozenset({"UTF8", "SQL_ASCII"})


def client_options(
    url: str, settings: Mapping[str, int] | None = None, *, longest_connect: float | None = None
) -> dict[str, Any]:
    """For every connection to the server that `url` names. Raises what `make_url` does.

    `settings`: of the server's, for these connections, beside those that the URL's `options` or PGOPTIONS
    make. `longest_connect`: seconds for connecting that nothing may exceed; unset: as many as the URL or
    PGCONNECT_TIMEOUT says.

    The server's own word for the encoding is taken otherwise, and where that is SQL_ASCII, as in databases
    that were made under the locale C, text is bytes.
    """
    said = make_url(url).normalized_query
    options: dict[str, Any] = {"client_encoding": "UTF8"}
    if settings:
        # Of libpq's two sources the URL's hides the environment's, and of two values of one setting the last
        # counts: what is ours is not the operator's to change.
        given = said.get("options", (os.environ.get("PGOPTIONS", ""),))
        ours = [f"-c {name}={value}" for name, value in settings.items()]
        options["options"] = " ".join(filter(None, (*given, *ours)))
    (seconds,) = said.get("connect_timeout", (os.environ.get("PGCONNECT_TIMEOUT", ""),))[-1:]
    if not seconds:
        seconds = str(CONNECT_TIMEOUT)
    if longest_connect is not None:
        seconds = _at_most(seconds, max(1, int(longest_connect)))
    options["connect_timeout"] = seconds
    return options


def _at_most(seconds: str, most: int) -> str:
    """What libpq takes for no number stays: it says so. Zero and less mean no end."""
    with suppress(ValueError):
        return seconds if 0 < int(seconds) <= most else str(most)
    return seconds


def check_encoding(connection: Connection) -> None:
    """Raises StoreUnusable for a database that some texts cannot be written into."""
    encoding = str(connection.scalar(text("SHOW server_encoding")))
    if encoding not in HOLD_ALL_TEXT:
        raise StoreUnusable(
            f"the database has the encoding {encoding}, which lacks characters that runs may have: "
            "make one with CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
        )


def bound_locks(connection: Connection) -> None:
    """Let this transaction wait LOCK_TIMEOUT for what others have locked, and then fail."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))

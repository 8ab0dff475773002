"""Where connections to the journal's database go, as the library that makes them reads its URL."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

POSTGRESQL = "5432"
LAST_PORT = 65535
# libpq refuses it after it has read everything else, and before it looks for a host: nothing is dialled.
NOWHERE = {"target_session_attrs": "nowhere"}
NO_HOST = {"host": "", "hostaddr": ""}
LOCAL = "localhost"
PLACES = ("host", "hostaddr", "port")


@dataclass(frozen=True, slots=True)
class DatabasePlaces:
    """`endpoints`: names or addresses, with ports; `sockets`: absolute paths of unix sockets."""

    endpoints: tuple[tuple[str, int], ...] = ()
    sockets: tuple[str, ...] = ()


def database_places(url: str) -> DatabasePlaces:
    """Of SQLAlchemy's `url`, with what the environment and a service file add. Blocking.

    Nothing of a file of SQLite's, and of what cannot be read: no journal is opened by it either, and it is
    the journal that says why.
    """
    with suppress(ArgumentError, ValueError):
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            dialect = parsed.get_dialect()
            driver: Any = dialect.import_dbapi()
            _, said = dialect().create_connect_args(parsed)
            with suppress(driver.Error):
                return _places(driver, said)
    return DatabasePlaces()


def _places(driver: Any, said: Mapping[str, Any]) -> DatabasePlaces:
    usual, _ = _read(driver, NO_HOST)
    _, values = _read(driver, said)
    hosts, addresses, ports = (values[key].split(",") for key in PLACES)
    if len(ports) == 1:
        ports *= max(len(hosts), len(addresses))
    endpoints, sockets = [], []
    for host, address, port in zip_longest(hosts, addresses, ports, fillvalue=""):
        number = _number(port)
        if number is None:
            continue
        # Beside an address the name is for certificates alone, but it is the same server's.
        for place in {host, address} - {""} or {usual or LOCAL}:
            if place.startswith("/"):
                sockets.append(f"{place.rstrip('/')}/.s.PGSQL.{number}")
            # As a rule the server behind a socket file listens here as well; `@` has no file.
            name = LOCAL if place.startswith(("/", "@")) else place
            endpoints.append((name, number))
    return DatabasePlaces(tuple(endpoints), tuple(sockets))


def _number(port: str) -> int | None:
    """Null of what libpq takes for no port: to that server nothing is ever sent."""
    with suppress(ValueError):
        number = int(port or POSTGRESQL)
        if 0 < number <= LAST_PORT:
            return number
    return None


def _read(driver: Any, said: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Where libpq would go first, and what it has read of places."""
    # The others are the driver's own (`autocommit`) or SQLAlchemy's (`plugins`): libpq is never told of them.
    known = {"conninfo", *(one.keyword.decode() for one in driver.pq.Conninfo.parse(b""))}
    options = {key: str(value) for key, value in said.items() if key in known}
    # First, too: libpq reads no further than to a NUL.
    text = driver.conninfo.make_conninfo(**{**NOWHERE, **options, **NOWHERE})
    connection = driver.pq.PGconn.connect_start(text.encode())
    try:
        values = {one.keyword.decode(): one.val or b"" for one in connection.info}
        return _text(connection.host or b""), {key: _text(values[key]) for key in PLACES}
    finally:
        connection.finish()


def _text(value: bytes) -> str:
    """As Python names files: the environment, and a path in it, may hold any bytes."""
    return value.decode(errors="surrogateescape")

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
# libpq refuses it after it has read everything else, and before it looks for a host: nothing is dialled.
NOWHERE = {"target_session_attrs": "nowhere"}
NO_HOST = {"host": "", "hostaddr": ""}
LOCAL = "localhost"


@dataclass(frozen=True, slots=True)
class DatabasePlaces:
    """`endpoints`: names or addresses, with ports; `sockets`: absolute paths of unix sockets."""

    endpoints: tuple[tuple[str, int], ...] = ()
    sockets: tuple[str, ...] = ()


def database_places(url: str) -> DatabasePlaces:
    """Of SQLAlchemy's `url`, with what the environment and a service file add. Blocking.

    Nothing of a file of SQLite's, and of what cannot be read: no journal is opened by it either.
    """
    with suppress(ArgumentError):
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
    hosts, addresses, ports = (values[key].split(",") for key in ("host", "hostaddr", "port"))
    if len(ports) == 1:
        ports *= max(len(hosts), len(addresses))
    endpoints, sockets = [], []
    for host, address, port in zip_longest(hosts, addresses, ports, fillvalue=""):
        # Beside an address the name is for certificates alone, but it is the same server's.
        for place in {host, address} - {""} or {usual or LOCAL}:
            if place.startswith("/"):
                sockets.append(f"{place.rstrip('/')}/.s.PGSQL.{port or POSTGRESQL}")
            # As a rule the server behind a socket file listens here as well; `@` has no file.
            name = LOCAL if place.startswith(("/", "@")) else place
            endpoints.append((name, int(port or POSTGRESQL)))
    return DatabasePlaces(tuple(endpoints), tuple(sockets))


def _read(driver: Any, said: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Where libpq would go first, and all that it has read."""
    text = driver.conninfo.make_conninfo(**{**said, **NOWHERE})
    connection = driver.pq.PGconn.connect_start(text.encode())
    try:
        options = {one.keyword.decode(): (one.val or b"").decode() for one in connection.info}
        return (connection.host or b"").decode(), options
    finally:
        connection.finish()

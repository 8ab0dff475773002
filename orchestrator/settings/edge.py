"""Who reaches the manager, and how."""

from __future__ import annotations

from orchestrator.settings.about import MIB, Group, Unit, setting
from orchestrator.settings.values import HostNames, ListeningPlaces, NamedPath, OctalMode


class Listening(Group):
    """Where the manager listens"""

    host: str = setting(
        "127.0.0.1",
        "address to listen on",
        why="clients hard-code it and send no token; whoever reaches the API is as good as root here",
        unit=Unit.ADDRESS,
    )
    port: int = setting(
        3999, "port to listen on; 0: any free one", why="clients hard-code it", unit=Unit.PORT, ge=0, le=65535
    )
    socket: NamedPath | None = setting(
        None,
        "serve on this unix socket instead of host and port",
        why="existing clients know host and port",
        unit=Unit.PATH,
    )
    socket_mode: OctalMode = setting(
        "0660",
        "mode of that socket, whatever the umask",
        why="owner and group, and nobody else on the machine",
        unit=Unit.MODE,
    )
    socket_group: str | None = setting(
        None,
        "group of that socket, by name or number; its members may do everything. Unset: the manager's",
        why="nobody gets these rights without being named",
        unit=Unit.NAME,
        min_length=1,
        coerce_numbers_to_str=True,
    )
    allow_unauthenticated: bool = setting(
        False,
        "listen beyond loopback without tokens: something else keeps strangers away",
        why="without tokens, whoever reaches the API has root: that takes a second word",
        unit=Unit.SWITCH,
    )
    allowed_hosts: HostNames = setting(
        [],
        "more names in the header Host that are this manager's, with commas; *.example.org: all below",
        why="addresses, localhost and names without a dot are enough for most; a name that others' name"
        " servers answer for lets any web page in",
        unit=Unit.NAMES,
    )
    reached_at: ListeningPlaces = setting(
        [],
        "NAME:PORT of a Service, a proxy or a published port that leads to this manager, with commas: no node"
        " is there. Names are resolved at the start, and by one of several managers again and again",
        why="where it listens the manager sees itself; what others put before it, it does not",
        unit=Unit.NAMES,
    )


class Requests(Group):
    """What a request may take"""

    max_body_bytes: int = setting(
        128 * MIB,
        "the largest body that code travels in; other bodies are bounded by their routes (api.md)",
        why="contracts of 64 MiB arrive as base64, a third larger",
        unit=Unit.BYTES,
        ge=MIB,
    )
    body_bytes: int = setting(
        256 * MIB,
        "all bodies together that are being read; at least max_body_bytes",
        why="two of the largest fit",
        unit=Unit.BYTES,
        ge=MIB,
    )
    body_timeout: float = setting(
        60.0,
        "how long a request's body may take to arrive",
        why="the largest body at 2 MiB per second",
        unit=Unit.SECONDS,
        gt=0,
    )
    head_timeout: float = setting(
        10.0,
        "how long a request's head may take to arrive, once it has begun",
        why="a head is a few hundred bytes: who takes longer holds a connection on purpose",
        unit=Unit.SECONDS,
        gt=0,
    )
    idle_timeout: float = setting(
        75.0,
        "how long a connection may stay open without a request, or with an answer of which nothing is taken",
        why="longer than the minute that clients and proxies keep their connections for",
        unit=Unit.SECONDS,
        gt=0,
    )
    max_connections: int | None = setting(
        None,
        "open at a time; more wait to be accepted. Unset: 4096, or fewer where descriptors are few",
        why="descriptors must be left for instances, whatever their limit is",
        unit=Unit.CONNECTIONS,
        ge=1,
    )
    max_message_bytes: int = setting(
        64 * MIB,
        "the largest message on /ws; a client that sends more is disconnected",
        why="no base64 on the socket: the largest contract fits",
        unit=Unit.BYTES,
        ge=MIB,
    )


class Speaking(Group):
    """Who may speak (access.md)"""

    tokens_file: NamedPath | None = setting(
        None,
        "file of tokens with scopes and namespaces, closed to other users. Unset: no token is needed",
        why="existing clients send none",
        unit=Unit.PATH,
    )
    tokens_interval: float = setting(
        2.0,
        "time between two looks at that file",
        why="a token that was taken out works no longer than that; a look is one system call",
        unit=Unit.SECONDS,
        gt=0,
    )
    operator_socket: NamedPath | None = setting(
        None,
        "serve the operator's routes on this unix socket, and nowhere else",
        why="operators' tools use the one listener, as they always did",
        unit=Unit.PATH,
    )
    audit_file: NamedPath | None = setting(
        None,
        "file with a line of JSON for every administrative call. Unset: the manager's log only",
        why="the manager's log has them already",
        unit=Unit.PATH,
    )

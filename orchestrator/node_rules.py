"""From the settings to the rules for nodes' sockets: what is allowed, and what is the engine's or our own."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from orchestrator.engine_client import engine_address
from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.node_files import prompt_files
from orchestrator.executions.node_networks import Address, Listener, NetworkRules, is_this_machine, plain
from orchestrator.executions.node_sockets import SocketRules
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.settings import Settings
from orchestrator.store.database_places import DatabasePlaces, database_places

COLLECTOR = "http://localhost:4318"
PORTS = {"http": 80, "https": 443}
# Whoever speaks there as root commands the machine or the session; none of them is a node.
KNOWN_SERVICES = (
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
)
KNOWN_SESSION_SERVICES = ("docker.sock", "podman/podman.sock", "bus", "systemd/private")


def node_dialler(settings: Settings, times: Times = DEFAULT_TIMES) -> NodeDialler:
    """Blocking: paths are resolved, and the names of the engine and of the journal's database."""
    engine = engine_address(settings.docker_url)
    own = [
        path for path in (settings.state_dir, settings.socket, settings.operator_socket) if path is not None
    ]
    database = _database(settings)
    rules = SocketRules(
        directories=tuple(map(str, settings.node_sockets)),
        own=tuple(os.path.realpath(path) for path in own),
        protected=(*_services(engine), *database.sockets),
    )
    # Whose a place is may be asked of other paths, too, and only where there are namespaces.
    asks_at_once = settings.tokens_file is None
    return NodeDialler(
        rules,
        _network_rules(settings, (*_endpoints(settings, engine), *database.endpoints)),
        prompt_files((*rules.own, *rules.protected)) if asks_at_once else None,
        times,
    )


def _services(engine: str) -> Iterable[str]:
    parts = urlsplit(engine)
    if "unix" in parts.scheme or not parts.scheme:
        yield "/" + (parts.netloc + parts.path).lstrip("/")
    yield from KNOWN_SERVICES
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session:
        yield from (f"{session}/{name}" for name in KNOWN_SESSION_SERVICES)


def _network_rules(settings: Settings, endpoints: Iterable[tuple[str, int]]) -> NetworkRules:
    def is_local(address: Address) -> bool:
        return any(address in network for network in settings.own_addresses) or is_this_machine(address)

    rules = NetworkRules(settings.node_networks, is_local=is_local)
    for name, port in endpoints:
        for address, _ in resolved(name, port):
            rules.elsewhere.add((address, port))
            if is_local(address):
                rules.own.add(port)
    return rules


def resolved(name: str, port: int) -> Iterable[Listener]:
    """Where that is; nothing when nobody knows. Blocking."""
    with suppress(ValueError, OSError):
        for *_, target in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM):
            yield plain(ipaddress.ip_address(str(target[0]).partition("%")[0])), port


def _endpoints(settings: Settings, engine: str) -> Iterable[tuple[str, int]]:
    """Names and ports of what the manager itself is a client of, and of where others reach it."""
    urls = [engine, settings.kubernetes_server, settings.cluster_address, *_collectors(settings)]
    urls += [f"tcp://{place}" for place in settings.reached_at]
    # As told to every process in a Pod, whether it speaks with the API server or not.
    server, port = (os.environ.get(f"KUBERNETES_SERVICE_{one}", "") for one in ("HOST", "PORT"))
    urls.append(f"tcp://[{server}]:{port}" if ":" in server else f"tcp://{server}:{port}")
    yield from filter(None, map(endpoint_of, filter(None, urls)))


def _database(settings: Settings) -> DatabasePlaces:
    url = settings.database_url
    return DatabasePlaces() if url is None else database_places(url.get_secret_value())


def _collectors(settings: Settings) -> Iterable[str]:
    """Where traces go, as the exporter finds it out."""
    if not settings.traces:
        return
    if settings.traces_url is not None:
        yield settings.traces_url
        return
    said = (os.environ.get(f"OTEL_EXPORTER_OTLP_{one}ENDPOINT") for one in ("TRACES_", ""))
    yield next(filter(None, said), COLLECTOR)


def endpoint_of(url: str) -> tuple[str, int] | None:
    """Name and port in a URL; null for a unix socket, and for what is no URL."""
    with suppress(ValueError):
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
        if parts.hostname and port:
            return parts.hostname, port
    return None

"""From the settings to the rules for nodes' sockets: what is allowed, and what is the engine's or our own."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from orchestrator.executions.dialling import NodeDialler
from orchestrator.executions.node_networks import Address, NetworkRules, is_this_machine, plain
from orchestrator.executions.node_sockets import SocketRules
from orchestrator.settings import Settings

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
# Whoever speaks there as root commands the machine or the session; none of them is a node.
KNOWN_SERVICES = (
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
    "/run/dbus/system_bus_socket",
    "/run/systemd/private",
)
KNOWN_SESSION_SERVICES = ("docker.sock", "podman/podman.sock", "bus", "systemd/private")


def node_dialler(settings: Settings) -> NodeDialler:
    """Blocking: paths are resolved, and the engine's name where it is one."""
    engine = settings.docker_url or os.environ.get("DOCKER_HOST") or DEFAULT_ENGINE
    own = [
        path for path in (settings.state_dir, settings.socket, settings.operator_socket) if path is not None
    ]
    return NodeDialler(
        SocketRules(
            directories=tuple(map(str, settings.node_sockets)),
            own=tuple(os.path.realpath(path) for path in own),
            protected=tuple(_services(engine)),
        ),
        _network_rules(settings, engine),
    )


def _services(engine: str) -> Iterable[str]:
    parts = urlsplit(engine)
    if "unix" in parts.scheme or not parts.scheme:
        yield "/" + (parts.netloc + parts.path).lstrip("/")
    yield from KNOWN_SERVICES
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session:
        yield from (f"{session}/{name}" for name in KNOWN_SESSION_SERVICES)


def _network_rules(settings: Settings, engine: str) -> NetworkRules:
    def is_local(address: Address) -> bool:
        return any(address in network for network in settings.own_addresses) or is_this_machine(address)

    rules = NetworkRules(settings.node_networks, is_local=is_local)
    parts = urlsplit(engine if "://" in engine else f"tcp://{engine}")
    with suppress(ValueError, OSError):
        if parts.hostname and parts.port:
            for *_, target in socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM):
                address = plain(ipaddress.ip_address(str(target[0]).partition("%")[0]))
                rules.elsewhere.add((address, parts.port))
                if is_local(address):
                    rules.own.add(parts.port)
    return rules

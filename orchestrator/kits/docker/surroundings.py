"""Checks of what stands around an engine: the way to registries, and from modules to this machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from docker import APIClient
from docker.errors import NotFound

from orchestrator.docker_context import config_folder
from orchestrator.kits.docker.engine import kind_of
from orchestrator.kits.finding import Finding, ok, warn

PROXIES = {"HttpProxy": "HTTP_PROXY", "HttpsProxy": "HTTPS_PROXY"}
HELPER = "docker-credential-"
BRIDGE = "bridge"


def judge_proxies(info: Mapping[str, Any], environ: Mapping[str, str]) -> Finding:
    """Images are pulled by the engine, through its own proxies and not through those of whoever asks."""
    own = {name: str(info.get(key) or "") for key, name in PROXIES.items()}
    here = {name: environ.get(name) or environ.get(name.lower()) or "" for name in own}
    missing = [name for name in own if here[name] and not own[name]]
    if missing:
        return warn(
            "proxy",
            f"{', '.join(missing)} is set here, and the engine has none, so that its pulls bypass the proxy",
            "set it for the engine: `proxies` in daemon.json, or Environment= in its service "
            "(docs/engines.md)",
        )
    used = ", ".join(f"{name} {_without_secrets(url)}" for name, url in own.items() if url)
    return ok("proxy", f"the engine pulls through {used}" if used else "none")


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "?"
    return f"{host}:{port}" if port else host


def check_registries(environ: Mapping[str, str] = os.environ) -> Finding:
    """That the programs are there which the user's Docker configuration asks for keys. Blocking."""
    file = config_folder(environ) / "config.json"
    try:
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return ok("registries", "no credential helpers")
    return judge_helpers(config, str(file), shutil.which)


def judge_helpers(config: Any, file: str, which: Any) -> Finding:
    """From the configuration, and from what finds a program by its name."""
    found = config if isinstance(config, dict) else {}
    single, by_registry = found.get("credsStore"), found.get("credHelpers")
    names = {single, *(by_registry.values() if isinstance(by_registry, dict) else ())}
    helpers = sorted(HELPER + name for name in names if isinstance(name, str) and name)
    missing = [helper for helper in helpers if which(helper) is None]
    if missing:
        return warn(
            "registries",
            f"{file} names {', '.join(missing)}, which is not installed: base images cannot be pulled",
            "install it, or take `credsStore` and `credHelpers` out; runs need no registry",
        )
    return ok("registries", ", ".join(helpers) or "no credential helpers")


def check_gateway(client: APIClient, info: Mapping[str, Any]) -> Finding:
    """Whether modules reach this machine: providers and signers of one's own often listen on it."""
    try:
        own: Mapping[str, Any] | None = client.inspect_network(BRIDGE)
    except NotFound:
        own = None
    return judge_gateway(own, info)


def judge_gateway(own: Mapping[str, Any] | None, info: Mapping[str, Any]) -> Finding:
    """From the engine's own bridge; none: the engine has been told not to make one.

    A rootless engine's bridge is in a network of its own, and so is the address that it gives out.
    """
    if own is None:
        return warn(
            "host_gateway",
            "the engine has no bridge of its own: host.docker.internal leads nowhere in modules",
            "`host-gateway-ip` in daemon.json, or this machine's address in the modules' configuration",
        )
    if "rootless" in kind_of(info):
        return warn(
            "host_gateway",
            "the engine is rootless: host.docker.internal leads to its own network, not to this machine",
            "`host-gateway-ip` in daemon.json, and the loopback opened to it (docs/engines.md); or this "
            "machine's address in the modules' configuration",
        )
    return ok("host_gateway", "host.docker.internal leads to this machine")

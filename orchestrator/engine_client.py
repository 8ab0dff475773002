"""Clients of the container engine's API, as the environment and the user's Docker configuration say.

The SDK raises whatever it runs into when `DOCKER_*` or the configuration file are not what it expects; here
that is one error with one line.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException, InvalidConfigFile, TLSParameterError
from docker.tls import TLSConfig
from docker.utils import parse_host
from docker.utils.config import find_config_file

from orchestrator.docker_context import (
    AUTHORITY,
    DockerContext,
    Tls,
    chosen_context,
    config_folder,
    own_files,
)

CONFUSED = (ValueError, TypeError, AttributeError, KeyError, LookupError)
"""What the SDK raises for a configuration of another shape; broken text and addresses are ValueErrors."""


class ClientUnusable(DockerException):
    """No client can be made of the configuration; the text names where it is from."""


def engine_client(
    base_url: str | None, *, make: Callable[..., APIClient] = APIClient, **options: Any
) -> APIClient:
    """A client for `base_url`; None: `DOCKER_HOST`, the context that is in use, or the usual socket. It asks
    the engine for its version.

    Blocking. Raises DockerException, also as ClientUnusable.
    """
    try:
        where = {"base_url": base_url} if base_url else _usual()
        return make(**where, version="auto", **options)
    except (InvalidConfigFile, TLSParameterError, *CONFUSED) as error:
        raise ClientUnusable(f"{_sources(base_url)} cannot be used: {_line(error)}") from error


def check_configuration(base_url: str | None) -> None:
    """Whether `engine_client` could make one; nobody is asked anything. Blocking. Raises ClientUnusable."""
    try:
        where = {"base_url": base_url} if base_url else _usual()
        # With a version that is given it does not ask for the engine's.
        APIClient(**where, version=DEFAULT_DOCKER_API_VERSION).close()
    except (DockerException, *CONFUSED) as error:
        raise ClientUnusable(
            f"{_sources(base_url)} cannot be used: {_line(error)}; "
            "see GENVM_DOCKER_URL, DOCKER_HOST, DOCKER_CONTEXT and DOCKER_CERT_PATH"
        ) from error


def engine_address(base_url: str | None) -> str:
    """Where `engine_client` connects to, as the SDK reads it (`:4243` is loopback); else the usual socket."""
    try:
        return str(parse_host(base_url or os.environ.get("DOCKER_HOST") or _host(chosen_context())))
    except (DockerException, *CONFUSED):
        return str(parse_host(None))


def without_registries(client: APIClient) -> APIClient:
    """`client`, which asks no credential helper any more: what needs no registry works without one."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as other:
        # One entry that is nobody's: finding none, the SDK would read the user's configuration again.
        other.write('{"auths": {"registry.invalid": {}}}')
        other.flush()
        client.reload_config(other.name)
    return client


def _usual() -> dict[str, Any]:
    context = chosen_context()
    if context is None:
        return _of_environment()
    if context.tls is None:
        return {"base_url": context.host}
    return {"base_url": context.host.replace("tcp://", "https://", 1), "tls": _config(context.tls)}


def _of_environment() -> dict[str, Any]:
    """As the SDK does, which insists on a certificate of the client's own that few engines ask for."""
    host, path = os.environ.get("DOCKER_HOST"), os.environ.get("DOCKER_CERT_PATH")
    verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    found: dict[str, Any] = {"base_url": host} if host else {}
    if path or verify:
        folder = Path(path) if path else config_folder()
        found["tls"] = _config(Tls(str(folder / AUTHORITY), own_files(folder), verify))
    return found


class _Own(TLSConfig):
    """Wins over the authorities that the environment names for everybody (`REQUESTS_CA_BUNDLE`)."""

    def configure_client(self, client: Any) -> None:
        super().configure_client(client)
        merge = client.merge_environment_settings
        client.merge_environment_settings = lambda url, proxies, stream, verify, cert: merge(
            url, proxies, stream, client.verify if verify is None else verify, cert
        )


def _config(tls: Tls) -> TLSConfig:
    return _Own(client_cert=tls.own, ca_cert=tls.authority, verify=tls.verify)


def _host(context: DockerContext | None) -> str | None:
    return None if context is None else context.host


def _sources(base_url: str | None) -> str:
    """Where the configuration is from; never what it says, which may be a secret."""
    file = find_config_file()
    named = [] if file is None else [str(file)]
    if base_url is None and os.environ.get("DOCKER_HOST"):
        named.append("DOCKER_HOST")
    elif base_url is None and os.environ.get("DOCKER_CONTEXT"):
        named.append("DOCKER_CONTEXT")
    return f"the container engine client's configuration ({', '.join(named) or base_url or 'DOCKER_*'})"


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

"""The web module's configuration, checked as a whole before anything uses it (modules 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

import ada_url

from genvm_module.contract import ConfigurationRefused
from genvm_web.public_addresses import Network
from genvm_web.timeouts import timeout_seconds
from genvm_web.top_level_domains import ascii_label

MIB = 1024 * 1024

DEFAULT_WEBDRIVER = "http://127.0.0.1:4444"
DEFAULT_SIGNER = "#{signerUrl}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes.

    What goes beyond the module's own limits is never contract-visible.
    """

    max_wait_after_loaded: float = 60.0
    # Until the status line of one hop is there.
    answer_timeout: float = 30.0
    # One request with its redirects and its body; also the longest wait for a slot.
    request_timeout: float = 60.0
    # Above the browser's own deadline, so that the browser is the one to say what went wrong.
    render_timeout: float = 180.0
    signer_timeout: float = 60.0
    # An answer on a WebSocket has to fit into 16 MiB.
    max_response_size: int = 15 * MIB
    max_concurrent_requests: int = 64


@dataclass(frozen=True, slots=True)
class Signer:
    """Where requests are signed; texts may have `#{name}`. Never logged: headers carry a token."""

    url: str = field(default=DEFAULT_SIGNER, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Configuration:
    """`webdriver` is a base URL without a trailing slash; `browser_sandbox` is for the module's own.

    `own_networks` are addresses of the machine, which count as not public.
    """

    webdriver: str = DEFAULT_WEBDRIVER
    extra_top_level_domains: frozenset[str] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    own_networks: tuple[Network, ...] = ()
    signer: Signer = field(default_factory=Signer)
    limits: Limits = field(default_factory=Limits)
    browser_sandbox: bool = True


def read_configuration(config: Mapping[str, object]) -> Configuration:
    """Unknown keys are ignored. Raises ConfigurationRefused, naming the key, never its value."""
    reader = _Reader(config)
    defaults = Limits()
    return Configuration(
        webdriver=reader.base_url("webdriver_host", DEFAULT_WEBDRIVER),
        extra_top_level_domains=reader.labels("extra_tld"),
        allowed_hosts=reader.hosts("always_allow_hosts"),
        own_networks=reader.networks("own_addresses"),
        signer=Signer(reader.text("signer_url", DEFAULT_SIGNER), reader.text_map("signer_headers")),
        limits=Limits(
            max_wait_after_loaded=reader.seconds("max_wait_after_loaded", defaults.max_wait_after_loaded),
            answer_timeout=reader.seconds("answer_timeout", defaults.answer_timeout),
            request_timeout=reader.seconds("request_timeout", defaults.request_timeout),
            render_timeout=reader.seconds("render_timeout", defaults.render_timeout),
            signer_timeout=reader.seconds("signer_timeout", defaults.signer_timeout),
            max_response_size=reader.count("max_response_size", defaults.max_response_size),
            max_concurrent_requests=reader.count("max_concurrent_requests", defaults.max_concurrent_requests),
        ),
        browser_sandbox=reader.truth("browser_sandbox", True),
    )


class _Reader:
    """Typed values out of the map."""

    def __init__(self, config: Mapping[str, object]) -> None:
        self._config = config

    def _get(self, key: str, default: object) -> object:
        value = self._config.get(key)
        return default if value is None else value

    def text(self, key: str, default: str) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            raise ConfigurationRefused(f"{key}: not a text")
        return value

    def truth(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise ConfigurationRefused(f"{key}: neither true nor false")
        return value

    def text_map(self, key: str) -> dict[str, str]:
        value = self._get(key, {})
        if not isinstance(value, Mapping) or not all(isinstance(item, str) for item in value.values()):
            raise ConfigurationRefused(f"{key}: not a map of texts")
        return {str(name): item for name, item in value.items()}

    def _texts(self, key: str) -> list[str]:
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigurationRefused(f"{key}: not a list of texts")
        return value

    def labels(self, key: str) -> frozenset[str]:
        try:
            return frozenset(ascii_label(label) for label in self._texts(key))
        except ValueError as error:
            raise ConfigurationRefused(f"{key}: {error}") from None

    def hosts(self, key: str) -> frozenset[str]:
        return frozenset(_host(key, host) for host in self._texts(key))

    def networks(self, key: str) -> tuple[Network, ...]:
        try:
            return tuple(ip_network(text) for text in self._texts(key))
        except ValueError as error:
            raise ConfigurationRefused(f"{key}: {error}") from None

    def base_url(self, key: str, default: str) -> str:
        try:
            url = ada_url.URL(self.text(key, default))
        except ValueError:
            raise ConfigurationRefused(f"{key}: not a URL") from None
        if url.protocol not in ("http:", "https:") or url.username or url.search or url.hash:
            raise ConfigurationRefused(f"{key}: not a plain http or https URL")
        return url.href.rstrip("/")

    def seconds(self, key: str, default: float) -> float:
        try:
            return timeout_seconds(self._get(key, default))
        except ValueError as error:
            raise ConfigurationRefused(f"{key}: {error}") from None

    def count(self, key: str, default: int) -> int:
        value = self._get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConfigurationRefused(f"{key}: not a whole number of 1 or more")
        return value


def _host(key: str, text: str) -> str:
    """The form in which a parsed URL names the host."""
    try:
        url = ada_url.URL(f"http://{text}/")
    except ValueError:
        raise ConfigurationRefused(f"{key}: {text!r} is not a host name") from None
    more = url.pathname != "/" or url.username or url.search or not url.hostname
    if more or ":" in text.partition("]")[2 if text.startswith("[") else 0]:
        raise ConfigurationRefused(f"{key}: {text!r} is more than a host name")
    return url.hostname

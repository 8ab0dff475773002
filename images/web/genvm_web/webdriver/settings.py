"""The service's settings, all from its environment (modules 4.4)."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import TypeVar

from genvm_web.public_addresses import Network
from genvm_web.top_level_domains import ascii_label
from genvm_web.webdriver import units

PREFIX = "GVM_WEBDRIVER_"
MIB = 1024 * 1024

SWITCH: Mapping[str, bool] = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}

T = TypeVar("T")


class SettingRefused(Exception):
    """A value that makes no sense; the text names the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds, sizes in bytes unless the name says otherwise."""

    port: int = 4444
    # A unix socket instead of the port.
    socket_path: str | None = None
    always_allow_hosts: frozenset[str] = frozenset()
    # Domains besides the root zone, and addresses that are the machine's own.
    extra_tld: frozenset[str] = frozenset()
    own_addresses: tuple[Network, ...] = ()

    # Each render may take `max_page_heap_mb`, in a process of its own.
    max_concurrent_renders: int = 8
    max_render_queue: int = 64
    render_queue_timeout: float = 120.0
    # Characters of text, bytes of an image.
    max_response: int = 5 * MIB
    max_page_heap_mb: int = 1024
    heap_check_interval_ms: int = 200
    max_load_timeout: float = 30.0
    max_wait_after_loaded: float = 60.0
    # What a page may load altogether; more is no page.
    max_page_traffic: int = 64 * MIB
    # One command to the browser; navigation and waiting have limits of their own.
    protocol_timeout: float = 15.0

    healthcheck_cache: float = 300.0
    rotation_check_interval: float = 600.0
    rotation_absolute_mb: int = 2048
    rotation_idle_delta_mb: int = 256
    # 0: never for its age alone.
    rotation_at_least: float = 0.0

    renderer_max_old_space_mb: int = 1024
    renderer_process_limit: int = 4
    chrome_executable: str = "/usr/bin/chromium"
    chrome_headless: bool = True
    chrome_args: tuple[str, ...] = ()
    # Without it the container is the only wall around a page.
    chrome_sandbox: bool = True

    @property
    def render_deadline(self) -> float:
        """From the slot to the answer: whatever a page does, it holds its slot no longer."""
        return self.max_load_timeout + self.max_wait_after_loaded + 2 * self.protocol_timeout


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises SettingRefused."""
    read = _Reader(environment)
    defaults = Settings()
    return Settings(
        port=read.take("PORT", _port, defaults.port, prefix=""),
        socket_path=read.take("SOCKET", str, defaults.socket_path),
        always_allow_hosts=read.take("ALWAYS_ALLOW_HOSTS", _hosts, defaults.always_allow_hosts),
        extra_tld=read.take("EXTRA_TLD", _labels, defaults.extra_tld),
        own_addresses=read.take("OWN_ADDRESSES", _networks, defaults.own_addresses),
        max_concurrent_renders=read.take(
            "MAX_CONCURRENT_RENDERS", _positive, defaults.max_concurrent_renders
        ),
        max_render_queue=read.take("MAX_RENDER_QUEUE", _count, defaults.max_render_queue),
        render_queue_timeout=read.take("RENDER_QUEUE_TIMEOUT", units.duration, defaults.render_queue_timeout),
        max_response=read.take("MAX_RESPONSE", _size, defaults.max_response),
        max_page_heap_mb=read.take("MAX_PAGE_HEAP_MB", _positive, defaults.max_page_heap_mb),
        heap_check_interval_ms=read.take(
            "HEAP_CHECK_INTERVAL_MS", _positive, defaults.heap_check_interval_ms
        ),
        max_load_timeout=read.take("MAX_LOAD_TIMEOUT", units.duration, defaults.max_load_timeout),
        max_wait_after_loaded=read.take(
            "MAX_WAIT_AFTER_LOADED", units.duration, defaults.max_wait_after_loaded
        ),
        max_page_traffic=read.take("MAX_PAGE_TRAFFIC", _size, defaults.max_page_traffic),
        protocol_timeout=read.take("PROTOCOL_TIMEOUT", units.duration, defaults.protocol_timeout),
        healthcheck_cache=read.take("HEALTHCHECK_CACHE_DURATION", units.duration, defaults.healthcheck_cache),
        rotation_check_interval=read.take(
            "ROTATION_CHECK_INTERVAL", units.duration, defaults.rotation_check_interval
        ),
        rotation_absolute_mb=read.take("ROTATION_ABSOLUTE_MB", _positive, defaults.rotation_absolute_mb),
        rotation_idle_delta_mb=read.take(
            "ROTATION_IDLE_DELTA_MB", _positive, defaults.rotation_idle_delta_mb
        ),
        rotation_at_least=read.take("ROTATION_AT_LEAST", units.duration, defaults.rotation_at_least),
        renderer_max_old_space_mb=read.take(
            "RENDERER_MAX_OLD_SPACE_MB", _positive, defaults.renderer_max_old_space_mb
        ),
        renderer_process_limit=read.take(
            "RENDERER_PROCESS_LIMIT", _positive, defaults.renderer_process_limit
        ),
        chrome_executable=read.take("CHROME_EXECUTABLE", str, defaults.chrome_executable),
        chrome_headless=read.take("CHROME_HEADLESS", _truth, defaults.chrome_headless),
        chrome_args=read.take("CHROME_ARGS", _arguments, defaults.chrome_args),
        chrome_sandbox=read.take("CHROME_SANDBOX", _truth, defaults.chrome_sandbox),
    )


class _Reader:
    """Set variables through a parser, the others by default."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def take(self, name: str, parse: Callable[[str], T], default: T, prefix: str = PREFIX) -> T:
        text = self._environment.get(prefix + name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            raise SettingRefused(f"{prefix}{name}: {error}") from None


def _count(text: str) -> int:
    number = float(text)
    if not math.isfinite(number) or number < 0 or number != int(number):
        raise ValueError(f"not a whole number of 0 or more: {text!r}")
    return int(number)


def _positive(text: str) -> int:
    number = _count(text)
    if number < 1:
        raise ValueError(f"not a whole number of 1 or more: {text!r}")
    return number


def _port(text: str) -> int:
    number = _count(text)
    if number > 0xFFFF:
        raise ValueError(f"not a port: {text!r}")
    return number


def _size(text: str) -> int:
    number = units.size(text)
    if number < 1:
        raise ValueError(f"not a size of 1 byte or more: {text!r}")
    return number


def _truth(text: str) -> bool:
    try:
        return SWITCH[text.lower()]
    except KeyError:
        raise ValueError(f"neither true nor false: {text!r}") from None


def _arguments(text: str) -> tuple[str, ...]:
    if not text.startswith("["):
        return tuple(shlex.split(text))
    return _text_list(text)


def _hosts(text: str) -> frozenset[str]:
    return frozenset(_text_list(text))


def _labels(text: str) -> frozenset[str]:
    return frozenset(ascii_label(label) for label in _text_list(text))


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ip_network(item) for item in _text_list(text))


def _text_list(text: str) -> tuple[str, ...]:
    items = json.loads(text)
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError("not a JSON list of texts")
    return tuple(items)

"""What the web module has to reach of the operator's own, so that the packet filter below it lets it.

Most of that stands in its configuration; who signs is usually said by each run (`#{signerUrl}`, modules.md
3.6).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import Any, Never, Protocol
from urllib.parse import urlsplit

import structlog

from genvm_wire.calldata import Value
from orchestrator.aside import aside
from orchestrator.runtime.port import Egress, Instance, RuntimeFailure

log = structlog.get_logger(__name__)

Door = tuple[str, int]

DEFAULT_SIGNER = "#{signerUrl}"
PLACEHOLDER = re.compile(r"#\{([a-zA-Z0-9_]*)\}")
PORTS = {"http": 80, "https": 443}
PAUSE_S = 15.0
LONGEST_URL = 2048
"""Characters. To split one with a foreign host is to normalise it, at a cost that can be the square of its
length, with the interpreter's lock held."""
MOST_VALUES = 50_000
"""In a node's `host_data`, as the module counts them: one with more has no session anyway."""
MOST_SIGNERS = 256
"""Per module: each is a rule that every packet is compared with."""


def egress_of(values: Mapping[str, Value]) -> Egress:
    """From the web module's configuration; what is not as it should be is the module's to refuse."""
    named = (values.get("webdriver_host"), signer_of(values))
    doors = (door_of(url) for url in named if isinstance(url, str))
    return Egress(
        hosts=_texts(values.get("always_allow_hosts")),
        doors=tuple(door for door in doors if door is not None),
        refused=_texts(values.get("own_addresses")),
    )


def _texts(value: Value) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def signer_of(values: Mapping[str, Value]) -> str:
    url = values.get("signer_url")
    return url if isinstance(url, str) else DEFAULT_SIGNER


def door_of(url: str) -> Door | None:
    """Host and port of a URL; null when it is none yet, or stays inside the container."""
    if len(url) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    host = parts.hostname or ""
    return (host, port) if host and "#" not in url and port and not _stays_inside(host) else None


def _stays_inside(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class PacketFilters(Protocol):
    """What a runtime does with the filters below its modules; both raise RuntimeFailure."""

    async def permit(self, instance: Instance, host: str, port: int) -> None:
        """One more TCP port."""

    async def renew(self, instance: Instance, egress: Egress) -> None:
        """This, with names looked up anew, in the place of all before."""


class Doors:
    """Keeps the filter below one module open for what it needs: signers that runs name, names that move.

    A door that cannot be opened is left: what is behind it fails, and that is said there.
    """

    def __init__(self, instance: Instance, filters: PacketFilters | None) -> None:
        self._template = DEFAULT_SIGNER
        self._instance = instance
        self._filters = filters
        self._configured: Egress | None = None
        self._open: set[Door] = set()
        self._turn = asyncio.Lock()
        self._doubted = asyncio.Event()

    def believe(self, values: Mapping[str, Value]) -> None:
        """This is the module's configuration."""
        self._template = signer_of(values)
        self._configured = egress_of(values)

    async def open_for(self, host_data: str) -> None:
        """Let the signer through that a run names, before it has its session."""
        if self._filters is None or PLACEHOLDER.search(self._template) is None:
            return
        door = await aside(len(host_data), partial(self._door, host_data))
        if door is None or door in self._open:
            return
        async with self._turn:
            if door in self._open or len(self._open) >= MOST_SIGNERS:
                return
            self._open.add(door)
            try:
                await self._filters.permit(self._instance, *door)
            except RuntimeFailure as failure:
                self._open.discard(door)
                log.warning("signer_not_let_through", instance=self._instance.spec.name, error=str(failure))

    def doubt(self) -> None:
        """The module failed at something of its own: a name may have moved."""
        self._doubted.set()

    async def keep_fresh(self) -> Never:
        """Look names up again when there is doubt, never more often than every `PAUSE_S`."""
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            await self._renew()
            await asyncio.sleep(PAUSE_S)

    async def _renew(self) -> None:
        """An adopted module whose configuration nobody knows keeps what it has."""
        if self._filters is None or self._configured is None:
            return
        async with self._turn:
            egress = replace(self._configured, signers=tuple(sorted(self._open)))
            doors = (*egress.doors, *egress.signers)
            if not any(_moves(host) for host in (*egress.hosts, *(host for host, _ in doors))):
                return
            try:
                await self._filters.renew(self._instance, egress)
            except RuntimeFailure as failure:
                log.warning("egress_not_renewed", instance=self._instance.spec.name, error=str(failure))

    def _door(self, host_data: str) -> Door | None:
        if sum(map(host_data.count, "[{,")) >= MOST_VALUES:
            return None
        try:
            said: Any = json.loads(host_data)
        except (ValueError, RecursionError):
            return None
        known = said if isinstance(said, dict) else {}

        def value(match: re.Match[str]) -> str:
            text = known.get(match[1])
            return text if isinstance(text, str) else match[0]

        return door_of(PLACEHOLDER.sub(value, self._template))


def _moves(host: str) -> bool:
    """Whether a host may have another address tomorrow."""
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return True
    return False

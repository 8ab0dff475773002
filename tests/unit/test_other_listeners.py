"""Where other managers listen is known a moment after they come, and forgotten when they go."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from orchestrator.executions.node_networks import Listener
from orchestrator.other_listeners import OtherListeners
from orchestrator.store.members import Member


def others(*addresses: str) -> list[Member]:
    return [Member(f"m{n}", address, True, 0, False) for n, address in enumerate(addresses)]


Told = list[tuple[frozenset[Listener], frozenset[str]]]


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def listeners(told: Told) -> AsyncIterator[OtherListeners]:
    made = OtherListeners(lambda places, sockets: told.append((places, sockets)))
    yield made
    await made.aclose()


async def test_they_come_and_go(listeners: OtherListeners, told: Told, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "place")
    both = others("http://10.0.0.7:3999", "https://[fd00::7]/", f"unix://{tmp_path}/link/api.sock")
    for known in (both, both, others("http://10.0.0.7:3999"), []):
        listeners.look(known)
        await listeners.looked()
    first = (ip_address("10.0.0.7"), 3999)
    assert told == [
        ({first, (ip_address("fd00::7"), 443)}, {str(tmp_path / "place" / "api.sock")}),
        ({first}, frozenset()),
        (frozenset(), frozenset()),
    ], "and not with each beat"


async def test_a_name_that_nobody_knows_yet_is_tried_again(
    listeners: OtherListeners, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[str, str] = {}

    def getaddrinfo(name: str, port: int, **_: Any) -> list[Any]:
        if name not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[name], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for address in ({}, {"b": "10.0.0.8"}):
        known |= address
        listeners.look(others("http://b:3999"))
        await listeners.looked()
    assert [places for places, _ in told] == [frozenset(), {(ip_address("10.0.0.8"), 3999)}]

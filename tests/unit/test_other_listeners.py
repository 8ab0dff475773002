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


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What name servers say; it may change."""
    said: dict[str, str] = {}

    def getaddrinfo(name: str, port: int, **_: Any) -> list[Any]:
        if name not in said:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (said[name], port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return said


async def test_a_name_that_nobody_knows_yet_is_tried_again(
    listeners: OtherListeners, told: Told, known: dict[str, str]
) -> None:
    for address in ({}, {"b": "10.0.0.8"}):
        known |= address
        listeners.look(others("http://b:3999"))
        await listeners.looked()
    assert [places for places, _ in told] == [{(ip_address("10.0.0.8"), 3999)}]


async def test_a_name_that_nobody_knows_for_a_moment_leads_where_it_did(
    listeners: OtherListeners, told: Told, known: dict[str, str]
) -> None:
    """Also while another manager comes."""
    known |= {"b": "10.0.0.8", "c": "10.0.0.9"}
    listeners.look(others("http://b:3999"))
    await listeners.looked()
    del known["b"]
    listeners.look(others("http://b:3999", "http://c:3999"))
    await listeners.looked()
    listeners.look(others("http://c:3999"))
    await listeners.looked()
    b, c = (ip_address("10.0.0.8"), 3999), (ip_address("10.0.0.9"), 3999)
    assert [places for places, _ in told] == [{b}, {b, c}, {c}]


async def test_a_name_that_leads_elsewhere_by_now_is_followed(told: Told, known: dict[str, str]) -> None:
    """As that of a Pod does that was replaced before its lease ended."""
    listeners = OtherListeners(lambda places, sockets: told.append((places, sockets)), again=0)
    for address in ("10.0.0.8", "10.0.0.9"):
        known["b"] = address
        listeners.look(others("http://b:3999"))
        await listeners.looked()
    await listeners.aclose()
    assert [places for places, _ in told] == [
        {(ip_address("10.0.0.8"), 3999)},
        {(ip_address("10.0.0.9"), 3999)},
    ]


async def test_a_proxy_that_comes_after_the_managers_is_known_then(told: Told, known: dict[str, str]) -> None:
    listeners = OtherListeners(lambda places, sockets: told.append((places, sockets)), ["proxy:80"])
    for address in ({}, {"proxy": "10.0.0.10"}):
        known |= address
        listeners.look([])
        await listeners.looked()
    await listeners.aclose()
    assert [places for places, _ in told] == [{(ip_address("10.0.0.10"), 80)}]

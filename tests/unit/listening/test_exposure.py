"""Listening where others can ask takes tokens or a second word; a place that cannot be is one line."""

from __future__ import annotations

import socket

import pytest

from orchestrator.exposure import CannotListen, Guard, check_exposure, is_loopback, resolved

NOTHING = Guard(tokens=False, acknowledged=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost", "127.1", "::ffff:127.0.0.1"])
def test_loopback_needs_no_guard(host: str) -> None:
    check_exposure(host, resolved(host, 3999), NOTHING)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "", "0", "::ffff:0.0.0.0", "192.0.2.1", "2001:db8::1", "169.254.1.1", "10.0.0.1"],
)
def test_anything_else_needs_one(host: str) -> None:
    addresses = resolved(host, 3999)
    with pytest.raises(CannotListen) as refused:
        check_exposure(host, addresses, NOTHING)
    text = str(refused.value)
    assert "\n" not in text
    assert "GENVM_ALLOW_UNAUTHENTICATED" in text
    assert repr(host) in text
    check_exposure(host, addresses, Guard(tokens=True, acknowledged=False))
    check_exposure(host, addresses, Guard(tokens=False, acknowledged=True))


def test_a_name_is_judged_by_all_that_it_resolves_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, 1, 6, "", (address, 3999)) for address in ("127.0.0.1", "192.0.2.7")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    addresses = resolved("manager.example", 3999)
    assert addresses == ["127.0.0.1", "192.0.2.7"]
    with pytest.raises(CannotListen, match=r"'manager\.example' \(192\.0\.2\.7\)"):
        check_exposure("manager.example", addresses, NOTHING)


@pytest.mark.parametrize("host", ["no.such.name.invalid", "a" * 70 + ".b", "\u0301.example", "300.1.1.1"])
def test_a_name_that_does_not_resolve_is_one_line(host: str) -> None:
    with pytest.raises(CannotListen, match="GENVM_HOST") as refused:
        resolved(host, 3999)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.9", True), ("fe80::1%lo", False), ("::", False)],
)
def test_what_is_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback

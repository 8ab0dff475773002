"""Whose a node's socket is while somebody's runs go there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from orchestrator.executions.claims import HostClaims, Place, TcpPlace, UnixPlace
from orchestrator.executions.hosts import HostRefused

HERE = TcpPlace("", 5000)


def place_of(path: Path) -> UnixPlace:
    found = path.stat()
    return UnixPlace(found.st_dev, found.st_ino, str(path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "node"))
    return tmp_path / "node"


def refused(claims: HostClaims, place: Place, namespace: str) -> bool:
    claim = claims.of(namespace)
    try:
        claim.take(place)
    except HostRefused as refusal:
        assert "a's" not in str(refusal) and str(getattr(place, "path", "5000")) not in str(refusal)
        return True
    claim.release()
    return False


def test_what_one_namespace_has_no_other_gets_until_its_last_run_is_over() -> None:
    claims = HostClaims()
    first, second = claims.of("a"), claims.of("a")
    first.take(HERE)
    second.take(HERE)
    assert [refused(claims, HERE, name) for name in ("a", "b")] == [False, True]
    first.release()
    assert refused(claims, HERE, "b")
    second.release()
    assert not refused(claims, HERE, "b")
    assert len(claims) == 0


def test_a_socket_is_one_by_whatever_name(file: Path) -> None:
    claims = HostClaims()
    claims.of("a").take(place_of(file))
    (file.parent / "link").hardlink_to(file)
    assert refused(claims, place_of(file.parent / "link"), "b")
    assert not refused(claims, TcpPlace("10.0.0.1", 5000), "b")


def test_a_number_that_has_become_another_socket_s_is_free(file: Path) -> None:
    claims = HostClaims()
    gone = place_of(file)
    claims.of("a").take(gone)
    file.unlink()
    assert not refused(claims, UnixPlace(gone.device, gone.inode, "/elsewhere"), "b")


def test_what_is_released_takes_nothing_any_more() -> None:
    claims = HostClaims()
    claim = claims.of("a")
    claim.take(HERE)
    claim.release()
    claim.release()
    claim.take(HERE)
    assert not refused(claims, HERE, "b")


def test_looking_takes_nothing() -> None:
    claims = HostClaims()
    claims.of("a").check(HERE)
    assert not refused(claims, HERE, "b")

"""Whether a node is still there, without connecting to it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.executions.hosts import TcpHost, UnixHost, still_there


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.bind(str(tmp_path / "host"))
        one.listen(1)
        one.setblocking(False)
        yield one


def test_a_node_that_listens_is_there_and_sees_nobody(listener: socket.socket) -> None:
    assert still_there(UnixHost(listener.getsockname()))
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_node_whose_queue_is_full_is_there(listener: socket.socket, tmp_path: Path) -> None:
    waiting = []
    try:
        for _ in range(8):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            waiting.append(one)
            one.setblocking(False)
            try:
                one.connect(listener.getsockname())
            except BlockingIOError:
                break
        assert still_there(UnixHost(str(tmp_path / "host")))
    finally:
        for one in waiting:
            one.close()


def test_a_node_whose_socket_is_closed_or_removed_has_gone(listener: socket.socket, tmp_path: Path) -> None:
    path = tmp_path / "host"
    listener.close()
    assert not still_there(UnixHost(str(path)))
    path.unlink()
    assert not still_there(UnixHost(str(path)))
    assert not still_there(UnixHost(str(path / "below")))


def test_a_file_is_no_node(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not still_there(UnixHost(str(tmp_path / "file")))
    assert not still_there(UnixHost(str(tmp_path / "file" / "below")))


def test_who_listens_at_a_distance_is_not_known() -> None:
    assert still_there(TcpHost("192.0.2.1", 1))

"""What the watchdog makes of the manager's words; what it does is in tests/integration/test_watchdog.py."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from genvm_executor.watchdog import WATCH_NAME, Manager


@pytest.fixture
def listener(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    monkeypatch.setenv("GENVM_CONTROL", str(directory / "control.sock"))
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(directory / WATCH_NAME))
        made.listen()
        yield made
    os.chdir(here)


@pytest.fixture
def manager(listener: socket.socket) -> Iterator[Manager]:
    made = Manager()
    yield made
    made.hang_up()


def word(milliseconds: int) -> bytes:
    return milliseconds.to_bytes(8, "little", signed=True)


def said(listener: socket.socket, manager: Manager, data: bytes) -> None:
    """The manager says so to whoever connects, and leaves."""
    manager.listen()
    with listener.accept()[0] as sock:
        sock.sendall(data)
    manager.listen()


def test_nobody_is_there_until_somebody_listens(directory: Path, listener: socket.socket) -> None:
    listener.close()
    manager = Manager()
    manager.listen()
    assert (manager.there, manager.known, manager.deadline) == (False, False, None)


def test_a_deadline_counts_from_when_it_is_heard(listener: socket.socket, manager: Manager) -> None:
    before = time.monotonic()
    said(listener, manager, word(5000))
    after = time.monotonic()
    assert manager.deadline is not None
    assert before + 5 <= manager.deadline <= after + 5


def test_the_last_word_stays_when_the_manager_has_gone(listener: socket.socket, manager: Manager) -> None:
    said(listener, manager, word(1) + word(5000))
    manager.listen()
    assert not manager.there
    assert manager.deadline is not None and manager.deadline > time.monotonic() + 1
    assert manager.known


def test_a_deadline_can_be_taken_back(listener: socket.socket, manager: Manager) -> None:
    said(listener, manager, word(1) + word(-1))
    assert manager.deadline is None


def test_half_a_word_counts_when_the_rest_has_come(listener: socket.socket, manager: Manager) -> None:
    manager.listen()
    with listener.accept()[0] as sock:
        sock.sendall(word(5000)[:3])
        manager.listen()
        assert manager.deadline is None
        sock.sendall(word(5000)[3:])
        manager.listen()
    assert manager.deadline is not None

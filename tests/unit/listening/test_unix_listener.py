"""The API's unix socket: mode and group are the settings', and it replaces nothing but an unserved socket."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.exposure import CannotListen
from orchestrator.unix_listener import SocketAccess, bound_socket

UMASKS = (0o000, 0o022, 0o027, 0o077, 0o777)


@pytest.fixture(params=UMASKS, ids=oct)
def any_umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("wanted", [0o660, 0o600, 0o666])
@pytest.mark.usefixtures("any_umask")
def test_the_mode_is_what_was_asked_for_whatever_the_umask(tmp_path: Path, wanted: int) -> None:
    path = tmp_path / "made" / "here" / "api.sock"
    with bound_socket(path, SocketAccess(wanted)):
        assert mode(path) == wanted
        assert [mode(path.parent), mode(path.parent.parent)] == [0o755, 0o755]
    assert not path.exists()


@pytest.mark.usefixtures("any_umask")
def test_it_is_never_looser_than_it_will_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there between binding and changing the mode is the owner's alone."""
    path = tmp_path / "api.sock"
    seen: list[int] = []
    monkeypatch.setattr(Path, "chmod", lambda *_: seen.append(mode(path)))
    with bound_socket(path, SocketAccess(0o660)):
        pass
    assert len(seen) == 1
    assert seen[0] & 0o177 == 0


def test_nobody_connects_before_it_listens(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with (
        bound_socket(path, SocketAccess()),
        socket.socket(socket.AF_UNIX) as asking,
        pytest.raises(ConnectionRefusedError),
    ):
        asking.connect(str(path))


def test_the_group_is_a_number_or_a_name(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    own = os.getegid()
    with bound_socket(path, SocketAccess(0o660, str(own))):
        assert path.stat().st_gid == own
    if os.geteuid() == 0:
        with bound_socket(path, SocketAccess(0o660, "daemon")):
            assert path.stat().st_gid == 1
    with (
        pytest.raises(CannotListen, match="GENVM_SOCKET_GROUP"),
        bound_socket(path, SocketAccess(0o660, "no-such")),
    ):
        pass
    assert not path.exists()


def test_a_socket_that_nobody_serves_any_more_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as earlier:
        earlier.bind(str(path))
    with bound_socket(path, SocketAccess()) as bound:
        bound.listen()
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(path))


def test_a_socket_that_somebody_serves_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(CannotListen, match="another program listens"), bound_socket(path, SocketAccess()):
            pass
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(path))


@pytest.mark.parametrize("kind", ["file", "directory", "link", "fifo"])
def test_anything_else_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "api.sock"
    match kind:
        case "file":
            path.write_text("precious")
        case "directory":
            path.mkdir()
        case "link":
            path.symlink_to(tmp_path / "nowhere")
        case _:
            os.mkfifo(path)
    before = path.lstat()
    with pytest.raises(CannotListen, match="something else") as refused, bound_socket(path, SocketAccess()):
        pass
    assert "\n" not in str(refused.value)
    assert path.lstat() == before


def test_a_socket_that_took_its_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as another:
        with bound_socket(path, SocketAccess()):
            path.rename(tmp_path / "moved")
            another.bind(str(path))
        assert path.is_socket()


@pytest.mark.parametrize(
    "path", ["/proc/self/genvm/api.sock", "/dev/null/api.sock", f"/tmp/{'x' * 120}.sock"]
)
def test_a_place_where_none_can_be_is_one_line(path: str) -> None:
    with pytest.raises(CannotListen) as refused, bound_socket(Path(path), SocketAccess()):
        pass
    assert "\n" not in str(refused.value)

"""`serve` where it may not or cannot listen: one line, exit code 1, and nothing was touched."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator.exposure import CannotListen
from orchestrator.serve import check_listener
from orchestrator.settings import Settings, load_settings
from orchestrator.unix_listener import SocketAccess, bound_socket


def serve(state_dir: Path, *flags: str, **settings: str) -> str:
    """Start a manager that must refuse to; its one line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GENVM_")}
    environment |= {"GENVM_STATE_DIR": str(state_dir), "GENVM_LOG_FORMAT": "text"} | settings
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", "serve", *flags],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, ""), ended
    [line] = ended.stderr.splitlines()
    assert line.startswith("genvm-orchestrator: ")
    return line


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_loopback_without_tokens(tmp_path: Path, host: str) -> None:
    state_dir = tmp_path / "state"
    assert "GENVM_ALLOW_UNAUTHENTICATED" in serve(state_dir, "--host", host)
    assert "GENVM_ALLOW_UNAUTHENTICATED" in serve(
        state_dir, GENVM_HOST=host, GENVM_ALLOW_UNAUTHENTICATED="no"
    )
    assert not state_dir.exists()


def test_an_empty_host_is_every_address(tmp_path: Path) -> None:
    assert "refusing to listen on ''" in serve(tmp_path / "state", GENVM_HOST="")


def test_a_plain_file_where_the_socket_should_be(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("precious")
    assert "something else" in serve(tmp_path / "state", "--socket", str(path))
    assert path.read_text() == "precious"
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "name", ["tokens_file", "socket", "operator_socket", "audit_file", "state_dir", "manifest"]
)
def test_an_empty_path_is_no_path(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It would be the working directory; a file of tokens that was meant must not come to mean none."""
    monkeypatch.setenv(f"GENVM_{name.upper()}", "")
    with pytest.raises(ValueError, match=f"{name}[^/]*is empty"):
        load_settings()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert f"cannot listen on 127.0.0.1 port {port}" in serve(tmp_path / "state", "--port", port)


def test_an_address_that_this_machine_does_not_have(tmp_path: Path) -> None:
    said = serve(tmp_path / "state", "--host", "192.0.2.1", GENVM_ALLOW_UNAUTHENTICATED="true")
    assert "cannot listen on 192.0.2.1" in said


@pytest.mark.parametrize("text", ["0660", "660", "0600"])
def test_a_socket_s_mode_is_octal(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GENVM_SOCKET_MODE", text)
    assert int(load_settings().socket_mode, 8) == int(text, 8)


def test_a_socket_s_mode_may_be_written_as_yaml_writes_octal(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("socket_mode: 0640\nsocket_group: 100\n")
    assert load_settings(config).socket_mode == "0640"
    assert load_settings(config).socket_group == "100"


@pytest.mark.parametrize("text", ["rw-rw----", "0o660", "888", "66", "1660", "-660"])
def test_a_socket_s_mode_is_nothing_else(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GENVM_SOCKET_MODE", text)
    with pytest.raises(ValueError, match="socket_mode"):
        load_settings()


def test_by_default_owner_and_group_may_speak() -> None:
    assert (Settings().socket_mode, Settings().socket_group, Settings().allow_unauthenticated) == (
        "0660",
        None,
        False,
    )


def test_the_compose_file_says_the_second_word_and_publishes_on_loopback_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = yaml.safe_load(Path("compose.yaml").read_text("utf-8"))["services"]["manager"]
    for name in ("GENVM_HOST", "GENVM_PORT", "GENVM_ALLOW_UNAUTHENTICATED"):
        monkeypatch.setenv(name, service["environment"][name])
    check_listener(load_settings())
    assert [port.split(":")[0] for port in service["ports"]] == ["127.0.0.1"]


def test_tokens_are_guard_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENVM_HOST", "0.0.0.0")
    monkeypatch.setenv("GENVM_PORT", "0")
    with pytest.raises(CannotListen, match="GENVM_TOKENS_FILE"):
        check_listener(load_settings())
    monkeypatch.setenv("GENVM_TOKENS_FILE", str(tmp_path / "tokens.yaml"))
    check_listener(load_settings())


@pytest.mark.parametrize("group", ["99999999999", "4294967295", "no-such-group"])
def test_a_group_that_there_cannot_be(tmp_path: Path, group: str) -> None:
    access = SocketAccess(group=group)
    found = pytest.raises(CannotListen, match=f"there is no group '{group}'")
    with found, bound_socket(tmp_path / "api.sock", access):
        raise AssertionError("unreachable")

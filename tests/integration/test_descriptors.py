"""What a descriptor that crossed into an instance is good for: the table of docs/isolation.md, row by row.

Four times: in a container under the profile as the engine loads it, as its user and as root; under the
executor's own filters in a plain process; and unconfined, which shows that the probe could do all of it.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker
import pytest

from genvm_wire.seccomp import executor_profile
from tests.integration import descriptor_probe

IMAGE = "genvm-executor:latest"
PROBE = Path(descriptor_probe.__file__)
REFUSED = "EPERM"
CONFINED = ("user", "root", "own")
PATIENCE = 60

TCP = {
    "use it": "ok",
    "dial another address": REFUSED,
    "bind it": REFUSED,
    "listen on it": REFUSED,
    "accept from it": REFUSED,
    "who is the peer": REFUSED,
    "bind it to an interface": REFUSED,
    "repair it": REFUSED,
    "connect it with its first bytes": REFUSED,
    "set a source route": REFUSED,
    "put another protocol on top": REFUSED,
    "read the connection's state": REFUSED,
    "list interfaces": REFUSED,
    "read an interface's address": REFUSED,
    "read the neighbours": REFUSED,
    "add a route": REFUSED,
    "send out of band": REFUSED,
    "send to an address": REFUSED,
    "send many": REFUSED,
    "open it again": "ENXIO",
    "use it still": "ok",
    "dissolve it by a long address": REFUSED,
    "dissolve it by a short address": "ok",
    "dial the freed socket": REFUSED,
    "dial it with a shortened address": "EINVAL",
    "dial it by sending": REFUSED,
    "dial it by a message": REFUSED,
    # The executor's own filter lets no message with ancillary data out at all.
    "dial it by an ordinary message": "EPIPE ECONNRESET EPERM",
}
UNIX = {
    "use it": "ok",
    "connect it anew": "EISCONN",
    "connect it to a long path": REFUSED,
    "dissolve it": "EINVAL",
    "bind it": REFUSED,
    "listen on it": REFUSED,
    "accept from it": REFUSED,
    "who is the peer": REFUSED,
    "a handle of the peer's process": REFUSED,
    "ask for credentials": REFUSED,
    "open it again": "ENXIO",
    "use it still": "ok",
}


def in_container(engine: docker.APIClient, folder: Path, user: str) -> None:
    profile = json.dumps(executor_profile())
    container = engine.create_container(
        IMAGE,
        ["-c", PROBE.read_text()],
        entrypoint=["python3"],
        user=user,
        working_dir="/run/genvm",
        host_config=engine.create_host_config(
            init=True,
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            binds=[f"{folder}:/run/genvm:ro"],
            security_opt=["no-new-privileges", f"seccomp={profile}"],
        ),
    )["Id"]
    try:
        engine.start(container)
        status = engine.wait(container)["StatusCode"]
        assert status == 0, engine.logs(container).decode()
    finally:
        engine.remove_container(container, force=True)


def as_process(folder: Path, *arguments: str) -> None:
    command = [sys.executable, str(PROBE), *arguments]
    subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE)


def answering(sock: socket.socket) -> None:
    """The node's side of a connection."""
    with sock, suppress(ConnectionResetError):
        while sock.recv(5) == b"ping\n":
            sock.sendall(b"pong\n")


class Scene:
    """The manager's side: a node's connections to hand over, and a listener that nobody may reach."""

    def __init__(self, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="gd")))
        self.folder.chmod(0o755)
        self._control = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        self._control.bind(str(self.folder / "control.sock"))
        (self.folder / "control.sock").chmod(0o666)
        self._control.listen()
        self._control.settimeout(PATIENCE)
        self._node = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._elsewhere = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._elsewhere.setblocking(False)
        self.report: dict[str, dict[str, str]] = {}
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    def _serve(self) -> None:
        tcp = socket.create_connection(self._node.getsockname())
        unix, peer = socket.socketpair()
        for side in (self._node.accept()[0], peer):
            threading.Thread(target=answering, args=(side,), daemon=True).start()
        channel = self._control.accept()[0]
        with tcp, unix, channel:
            where = json.dumps(self._elsewhere.getsockname()).encode()
            socket.send_fds(channel, [where], [tcp.fileno(), unix.fileno()])
            channel.settimeout(PATIENCE)
            self.report = json.loads(b"".join(iter(lambda: channel.recv(65536), b"")))

    def finish(self) -> None:
        self._serving.join(PATIENCE)

    def reached(self) -> bool:
        try:
            self._elsewhere.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@contextmanager
def scene() -> Iterator[Scene]:
    with ExitStack() as stack:
        yield Scene(stack)


Look = tuple[dict[str, dict[str, str]], bool]


@pytest.fixture(scope="module", params=CONFINED)
def confined(request: pytest.FixtureRequest, engine: docker.APIClient) -> Look:
    """The report, and whether anybody came to the other listener."""
    with scene() as stage:
        match request.param:
            case "own":
                as_process(stage.folder, "own")
            case user:
                in_container(engine, stage.folder, {"user": "64321:64321", "root": "0:0"}[user])
        stage.finish()
        return stage.report, stage.reached()


@pytest.fixture(scope="module")
def own() -> Any:
    with scene() as stage:
        as_process(stage.folder, "own")
        stage.finish()
        return stage.report


@pytest.mark.parametrize("attempt", TCP)
def test_a_tcp_connection_is_that_connection_and_nothing_else(confined: Look, attempt: str) -> None:
    assert confined[0]["tcp"][attempt] in TCP[attempt].split()


@pytest.mark.parametrize("attempt", UNIX)
def test_a_unix_connection_is_that_connection_and_nothing_else(confined: Look, attempt: str) -> None:
    assert confined[0]["unix"][attempt] == UNIX[attempt]


def test_nobody_came_where_nobody_was_sent(confined: Look) -> None:
    assert not confined[1]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_run_passes_no_descriptor_on(own: Any, kind: str) -> None:
    assert own[kind]["pass it on"] == REFUSED


def test_without_the_filters_the_probe_reaches_what_it_dials() -> None:
    with scene() as stage:
        as_process(stage.folder, "dial")
        stage.finish()
        assert set(stage.report["tcp"].values()) == {"ok"}
        assert stage.reached()

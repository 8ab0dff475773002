"""A run may name a node's socket, and nothing else that the manager reaches."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.executions.misuse import HOST_REFUSED
from tests.generation_bodies import GENERATIONS, fields
from tests.integration.manager.conftest import Client, MakeClient, listening_node
from tests.integration.manager.journal_rows import leave_behind, queued_row
from tests.socket_client import INTERNAL, refusal, socket_client


class Service:
    """Something that listens and is no node: nobody may connect to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen(8)
        self.socket.setblocking(False)

    def was_dialled(self) -> bool:
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def engine(folder: Path) -> Iterator[Service]:
    """Stands where the engine's socket is, in the nodes' directory to make it worse."""
    service = Service(folder / "engine.sock")
    yield service
    service.socket.close()


@pytest.fixture
async def client(make_client: MakeClient, engine: Service) -> Client:
    return await make_client(docker_url=f"unix://{engine.path}")


@pytest.fixture
def refused(client: Client, engine: Service) -> dict[str, str]:
    """What is named, and by which host."""
    folder = client.folder
    os.link(engine.path, folder / "innocent")
    (folder / "link").symlink_to(engine.path)
    (folder / "out").symlink_to("/run")
    return {
        "the engine": f"unix://{engine.path}",
        "the engine by another name": f"unix://{folder}/innocent",
        "the engine by a link": f"unix://{folder}/link",
        "the usual engine": "unix:///var/run/docker.sock",
        "the usual engine by a link": f"unix://{folder}/out/docker.sock",
        "the manager": f"unix://{folder}/api.sock",
        "a control socket": f"unix://{folder}/state/instances/run-1/control.sock",
        "a control socket by dots": f"unix://{folder}/x/../state/instances/run-1/control.sock",
        "a descriptor": "unix:///proc/self/fd/1",
        "a process's root": f"unix:///proc/{os.getpid()}/root/run/docker.sock",
        "a process's root by two slashes": "unix:////proc/1/root/run/docker.sock",
        "the usual engine by two slashes": "unix:////run/docker.sock",
        "an editor": "unix:///tmp/emacs0/server",
        "a debugger": "unix:///tmp/user/0/.java_pid1",
        "a device": "unix:///dev/log",
        "a service": "unix:///run/dbus/system_bus_socket",
        "link-local": "169.254.169.254:80",
        "link-local in IPv6": "tcp://[fe80::1]:80",
        "mapped": "[::ffff:169.254.169.254]:80",
        "wildcard": "0.0.0.0:80",
        "wildcard in IPv6": "[::]:80",
        "multicast": "224.0.0.1:80",
        "broadcast": "255.255.255.255:80",
        "public": "8.8.8.8:53",
        "link-local as a number": "2852039166:80",
        "an engine's port": "127.0.0.1:2375",
        "an engine's port on the machine around a container": "172.17.0.1:2375",
        "a long name": "é" * 50_000 + ":80",
        "an empty label": "a..b:80",
    }


def resolving(monkeypatch: pytest.MonkeyPatch, **names: list[str]) -> None:
    """A resolver that knows these names alone."""

    def getaddrinfo(name: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        text = name.decode() if isinstance(name, bytes) else str(name)
        if not names.get(text):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port or 0)) for one in names[text]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def said(error: str) -> bool:
    return "is refused" in error or "is not ASCII" in error


async def test_a_refused_host_is_403_and_nothing_is_written_down(
    client: Client, engine: Service, refused: dict[str, str]
) -> None:
    for generation in GENERATIONS:
        for what, host in refused.items():
            body = client.encoded(generation, host=host)
            status, answer = await client.ask("POST", "/genvm/run", data=body)
            assert (status, list(answer), said(answer["error"])) == (403, ["error"], True), (generation, what)
    assert (await client.ask("GET", "/executions"))[1]["executions"] == []
    assert not engine.was_dialled(), "not even to wake a node that waits"


async def test_over_the_manager_socket_it_is_an_error_frame(
    client: Client, engine: Service, refused: dict[str, str]
) -> None:
    async with socket_client(client.session) as talking:
        for what, host in refused.items():
            hello = [b"POST /containers/create HTTP/1.1\r\n"]
            code, text = await refusal(talking.run(fields("C", host, host_hello_data=hello)))
            assert (code, said(text)) == (INTERNAL, True), what
    assert (await client.ask("GET", "/executions"))[1]["executions"] == []
    assert not engine.was_dialled()


async def test_the_managers_own_port_is_refused(make_client: MakeClient) -> None:
    client = await make_client(socket=None, port=0)
    port = client.address.rpartition(":")[2]
    names = ("127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost", "tcp://LocalHost")
    for name in names:
        status, answer = await client.ask("POST", "/genvm/run", json=client.body(host=f"{name}:{port}"))
        assert (status, "port of the manager" in answer["error"]) == (403, True), name
    assert (await client.ask("GET", "/executions"))[1]["executions"] == []


async def test_a_name_of_a_refused_address_is_403_and_a_name_that_leads_nowhere_yet_is_not(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, metadata=["169.254.169.254"])
    for host in ("metadata:80", "tcp://metadata:80"):
        status, answer = await client.ask("POST", "/genvm/run", json=client.body(host=host))
        assert (status, answer["error"]) == (
            403, "host metadata:80 (169.254.169.254) is refused: link-local",
        )  # fmt: skip
    assert (await client.ask("GET", "/executions"))[1]["executions"] == []
    status = await client.finished(await client.run(client.body(host="soon:4000")))
    assert (status["cause"], status["host_connected"]) == ("upstream", False)


async def test_a_name_that_moves_to_a_refused_address_is_not_dialled(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.ask("POST", "/permits", json={"permits": 2})
    async with listening_node(f"unix://{client.folder}/first") as first:
        holding = await client.run(client.body({"hold": None}, is_sync=False, host=f"unix://{first.path}"))
        await first.connected.wait()
        resolving(monkeypatch, node=["127.0.0.1"])
        waiting = await client.run(client.body(host="node:4000"))
        resolving(monkeypatch, node=["169.254.169.254"])
        await client.delete(holding, wait_timeout_ms=0)
        status = await client.finished(waiting)
    assert (status["cause"], status["reason"], status["host_connected"]) == ("upstream", HOST_REFUSED, False)


async def test_a_socket_that_becomes_the_engine_while_its_run_waits_is_not_dialled(
    client: Client, engine: Service
) -> None:
    await client.ask("POST", "/permits", json={"permits": 2})
    async with listening_node(f"unix://{client.folder}/first") as first:
        holding = await client.run(client.body({"hold": None}, is_sync=False, host=f"unix://{first.path}"))
        await first.connected.wait()
        async with listening_node(f"unix://{client.folder}/second") as second:
            waiting = await client.run(client.body(host=f"unix://{second.path}"))
            Path(second.path).unlink()
            Path(second.path).symlink_to(engine.path)
            await client.delete(holding, wait_timeout_ms=0)
            status = await client.finished(waiting)
    assert (status["cause"], status["reason"]) == ("upstream", HOST_REFUSED)
    assert "GENVM_NODE_SOCKETS" in status["error"] or "another service's" in status["error"]
    assert not engine.was_dialled()


async def test_a_row_of_an_earlier_manager_is_judged_as_well(
    make_client: MakeClient, engine: Service
) -> None:
    client = await make_client()
    hello = [b"POST /containers/create HTTP/1.1\r\n"]
    await leave_behind(client, queued_row(1, f"unix://{engine.path}", host_hello_data=hello))
    client = await make_client(docker_url=f"unix://{engine.path}")
    run = client.manager.executions.find(1)
    if run is not None:
        await asyncio.shield(run.concluded)
    _, told = await client.ask("GET", "/executions/1")
    assert (told["cause"], told["reason"], told["host_dialled"]) == ("upstream", HOST_REFUSED, False)
    assert not engine.was_dialled()


async def test_node_sockets_are_what_the_operator_says(make_client: MakeClient, folder: Path) -> None:
    (folder / "mine").mkdir()
    client = await make_client(node_sockets=[folder / "mine"])
    status, answer = await client.ask("POST", "/genvm/run", json=client.body(host=f"unix://{folder}/sock"))
    assert (status, str(folder / "mine") in answer["error"]) == (403, True)
    async with listening_node(f"unix://{folder}/mine/sock") as node:
        assert (await client.finished(await client.run(client.body(host=f"unix://{node.path}"))))[
            "cause"
        ] == ("exited")

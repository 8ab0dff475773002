"""The connector under its own filter: it does all of its work, and nothing else (docs/isolation.md)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from genvm_wire.hello import Purpose
from genvm_wire.orders import Dial, Direct, Expect, LetIn, Relayed, ThroughConnector, Watch
from orchestrator.tasks import TaskOwner
from tests.kubernetes.kube_connector_pod import (
    JOB,
    PATIENT_MS,
    TICKET,
    TOKEN,
    Pod,
    exchanged,
    free_port,
    heard,
    listening,
)

ATTEMPTS = """
import ctypes, errno, os, socket
from genvm_connector.confinement import confine_connector
bare, bound = socket.socket(), socket.create_server(("127.0.0.1", 0))
confine_connector()
def attempt(name, work):
    try:
        work()
    except OSError as error:
        print(name, errno.errorcode[error.errno])
    else:
        print(name, "ok")
attempt("fork", os.fork)
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("bind", lambda: bare.bind(("127.0.0.1", 0)))
attempt("listen", bound.listen)
attempt("unix", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
attempt("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("signal", lambda: os.kill(os.getppid(), 0))
attempt("unlink", lambda: os.unlink("/nowhere"))
attempt("memory file", lambda: os.memfd_create("x"))
"""


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    """Of two Pods; short paths: unix socket paths are."""
    paths = [Path(tempfile.mkdtemp(prefix="genvm-")) for _ in range(2)]
    yield paths[0], paths[1]
    for path in paths:
        shutil.rmtree(path)


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("test")
    yield owner
    await owner.aclose()


def closed(pod: Pod) -> None:
    for control in pod.opened:
        control.close()
    for program in pod.programs:
        program.close()


async def test_a_connector_as_it_is_started_does_all_of_its_work_under_its_filter(
    folders: tuple[Path, Path], tasks: TaskOwner
) -> None:
    pod, module = Pod(folders[0], tasks, port=free_port()), Pod(folders[1], tasks)
    module.begin()
    environment = {
        "GENVM_TOKEN": TOKEN,
        "GENVM_CONNECTOR_PORT": str(pod.port),
        "GENVM_IDLE_SECONDS": "3600",
        "GENVM_CONTROL_DIR": str(pod.folder),
        "PATH": os.environ["PATH"],
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "genvm_connector", env=environment)
    try:
        program, control = await pod.program(), await pod.call()
        with closing(await listening()) as listener:
            await _a_run(pod, module, listener)
        control.order(Watch(PATIENT_MS))
        control.order(Expect(12, TICKET))
        await control.send(JOB)
        _, (session,) = await heard(program)
        guest = await pod.call(Purpose.SESSION, 12, TICKET)
        with socket.socket(fileno=session) as inside:
            _, _, writer = guest.bare()
            writer.write(b"x")
            inside.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(inside, 1) == b"x"
            writer.transport.abort()
        assert (pod.folder / "deadline").exists()
        status = Path(f"/proc/{process.pid}/status").read_text("ascii").split("\n")
        assert {"Seccomp:\t2", "NoNewPrivs:\t1"} <= set(status)
    finally:
        closed(pod)
        closed(module)
        await module.end()
        process.send_signal(signal.SIGTERM)
        code = await process.wait()
    assert code == 0


async def _a_run(pod: Pod, module: Pod, listener: socket.socket) -> None:
    """With a node that is dialled, one that is relayed to, and a module behind another connector."""
    program, control = pod.programs[0], pod.opened[0]
    served, admin = await module.program(), await module.call()
    admin.order(Expect(5, TICKET))
    await admin.send(JOB)
    _, (inside,) = await heard(served)
    relayed = await pod.call(Purpose.RELAY, 11)
    ways = (
        ("host", Direct((listener.getsockname()[:2],), PATIENT_MS, b"hello")),
        ("web", Relayed(11, PATIENT_MS)),
        ("llm", ThroughConnector(("127.0.0.1", module.port), 5, TICKET, PATIENT_MS)),
        ("inlet", LetIn(PATIENT_MS)),
    )
    control.order(Dial(7, ways))
    await control.send(JOB)
    loop = asyncio.get_running_loop()
    node, _ = await loop.sock_accept(listener)
    message, fds = await heard(program)
    assert (message, len(fds)) == (JOB.as_map(), 4)
    host, web, llm, inlet = (socket.socket(fileno=fd) for fd in fds)
    with inlet, socket.socket(socket.AF_UNIX) as dialled:
        dialled.connect(str(pod.folder / "n"))
        _, (handed,), _, _ = await asyncio.to_thread(socket.recv_fds, inlet, 16, 4)
        with socket.socket(fileno=handed) as let_in:
            await exchanged(dialled, let_in)
    with node, host, web, llm, socket.socket(fileno=inside) as far:
        assert await loop.sock_recv(node, 5) == b"hello"
        await exchanged(node, host)
        await exchanged(far, llm)
        _, reader, writer = relayed.bare()
        writer.write(b"there")
        web.setblocking(False)
        assert await loop.sock_recv(web, 5) == b"there"
        await loop.sock_sendall(web, b"back")
        assert await reader.readexactly(4) == b"back"
        writer.transport.abort()


async def test_what_a_connector_has_no_use_for_is_refused(subtests: pytest.Subtests) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ATTEMPTS, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    lines = said.decode().splitlines()
    assert len(lines) == 10
    for line in lines:
        name, _, answer = line.rpartition(" ")
        with subtests.test(name):
            assert answer == "EPERM"

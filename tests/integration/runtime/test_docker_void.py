"""The shared network, from outside and from inside: instances in it can reach nobody, not even each other."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import docker
import pytest

from genvm_wire.instance_messages import from_instance
from orchestrator.runtime.docker import DockerRuntime, DockerSettings
from orchestrator.runtime.docker.settings import VOID
from orchestrator.runtime.port import Instance
from tests.integration.runtime.runtime_kit import MakeSpec, job_to, leftovers

# What an instance under the sway of its contract would try. Each says the name of the error, or `ok`.
ATTEMPT = """
import errno
def attempt(name, work):
    try:
        work()
    except OSError as error:
        say((name, errno.errorcode.get(error.errno, "?")))
    else:
        say((name, "ok"))
stream = lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
"""
MEETING = (
    ATTEMPT
    + """
attempt("bind abstract", lambda: stream().bind("\\0meet"))
attempt("bind path", lambda: stream().bind("/tmp/meet"))
attempt("autobind", lambda: stream().bind(""))
attempt("listen unbound", lambda: stream().listen())
attempt("listen on a pair", lambda: socket.socketpair()[0].listen())
attempt("datagram", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("datagram pair", lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
attempt("seqpacket", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
attempt("inet", lambda: socket.create_connection(("127.0.0.1", 80), 1))
attempt("inet datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("inet6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
attempt("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM))
"""
)
# A client that asks for credentials is given an abstract name by the kernel when it connects: nobody may ask.
NAMED = (
    ATTEMPT
    + """
import builtins
builtins.kept = [stream() for _ in range(4)]
for one in builtins.kept:
    attempt("ask for credentials", lambda: one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1))
    one.connect_ex("\\0nobody")
say([one.getsockname() for one in builtins.kept])
"""
)
REACHING = (
    ATTEMPT
    + """
names = {line.split()[7] for line in Path("/proc/net/unix").read_text().splitlines()[1:]
         if len(line.split()) > 7}
for name in sorted(names | {"@meet", "@nobody", "@docker", "@/tmp/.X11-unix/X0"}):
    if name.startswith("@"):
        attempt("connect", lambda: stream().connect("\\0" + name[1:]))
"""
)


Ask = Callable[[str], Awaitable[Any]]


def asking(instance: Instance) -> Ask:
    """One that runs what it is told, once."""

    async def ask(code: str) -> Any:
        await instance.control.send(job_to(f"try:{code}"))
        said: Any = await instance.control.receive(from_instance)
        return json.loads(said.records[0]["said"])

    return ask


@pytest.fixture
def void_settings(docker_settings: DockerSettings) -> DockerSettings:
    return dataclasses.replace(docker_settings, network=VOID)


@pytest.fixture(params=[VOID, "none"])
async def runtime(
    request: pytest.FixtureRequest, engine: docker.APIClient, docker_settings: DockerSettings
) -> AsyncIterator[DockerRuntime]:
    """With each of the two networks; it leaves nothing, the void included."""
    settings = dataclasses.replace(docker_settings, network=request.param)
    async with DockerRuntime(settings) as made:
        yield made
        await made.sweep(frozenset())
    assert leftovers(engine, settings) == []


async def test_nobody_inside_can_be_reached_or_have_another_kind_of_socket(
    runtime: DockerRuntime, spec: MakeSpec, subtests: pytest.Subtests
) -> None:
    instance = await runtime.start(spec())
    said = await asking(instance)(MEETING)
    await instance.destroy()
    assert len(said) == 14
    for name, error in said:
        with subtests.test(name):
            assert error in {"EPERM", "EACCES", "EAFNOSUPPORT"}


async def test_two_instances_cannot_meet(runtime: DockerRuntime, spec: MakeSpec) -> None:
    """None has a name, not even one that the kernel gives, and no name leads anywhere."""
    one, other = await runtime.start(spec()), await runtime.start(spec())
    *asked, names = await asking(one)(NAMED)
    said = await asking(other)(REACHING)
    for instance in (one, other):
        await instance.destroy()
    assert asked == [["ask for credentials", "EPERM"]] * 4
    assert names == [""] * 4
    assert len(said) >= 4
    assert {error for _, error in said} == {"ECONNREFUSED", "EPERM"}


async def test_there_is_a_loopback_and_nothing_else(runtime: DockerRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec())
    lines = await asking(instance)("say(Path('/proc/net/dev').read_text()); say(os.uname().nodename)")
    await instance.destroy()
    interfaces, host_name = lines
    assert [line.split(":")[0].strip() for line in interfaces.splitlines()[2:]] == ["lo"]
    assert host_name == "genvm"


async def test_instances_share_the_void_and_the_void_has_next_to_nothing(
    engine: docker.APIClient, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    async with DockerRuntime(void_settings) as runtime:
        instances = [await runtime.start(spec()) for _ in range(2)]
        [void] = of_role(engine, void_settings, VOID)
        modes = [mode(engine, instance.engine_id) for instance in instances]
        assert modes == [f"container:{void['Id']}"] * 2
        host = engine.inspect_container(void["Id"])["HostConfig"]
        assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
        assert (host["Memory"], host["PidsLimit"], host["IpcMode"]) == (16 * 1024 * 1024, 4, "none")
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert any(option.startswith("seccomp={") for option in host["SecurityOpt"])
        for instance in instances:
            await instance.destroy()
    assert leftovers(engine, void_settings) == []


async def test_a_void_that_died_is_made_anew_and_those_who_run_in_the_old_one_run_on(
    engine: docker.APIClient, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    async with DockerRuntime(void_settings) as runtime:
        early = await runtime.start(spec())
        ask = asking(early)
        [old] = of_role(engine, void_settings, VOID)
        engine.remove_container(old["Id"], force=True)
        late = await runtime.start(spec())
        [new] = of_role(engine, void_settings, VOID)
        assert new["Id"] != old["Id"]
        assert mode(engine, late.engine_id) == f"container:{new['Id']}"
        assert await ask("say('alive')") == ["alive"]
        for instance in (early, late):
            await instance.destroy()


async def test_a_void_that_stopped_is_replaced(
    engine: docker.APIClient, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    async with DockerRuntime(void_settings) as runtime:
        await (await runtime.start(spec())).destroy()
        [old] = of_role(engine, void_settings, VOID)
        engine.kill(old["Id"])
        instance = await runtime.start(spec())
        [new] = of_role(engine, void_settings, VOID)
        assert (new["Id"] != old["Id"], new["State"]) == (True, "running")
        await instance.destroy()


async def test_the_next_manager_finds_the_void_of_one_that_was_killed(
    engine: docker.APIClient, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    killed, successor = DockerRuntime(void_settings), DockerRuntime(void_settings)
    left = await killed.start(spec())
    [old] = of_role(engine, void_settings, VOID)
    assert await successor.sweep(frozenset()) == [left.spec.name]
    instance = await successor.start(spec())
    assert [one["Id"] for one in of_role(engine, void_settings, VOID)] == [old["Id"]]
    await instance.destroy()
    await successor.aclose()
    assert leftovers(engine, void_settings) == []
    left.meeting.close()
    await killed.aclose()


async def test_the_void_stays_while_instances_are_left_to_the_next_manager(
    engine: docker.APIClient, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    async with DockerRuntime(void_settings) as leaving:
        left = await leaving.start(spec())
    left.meeting.close()
    assert len(of_role(engine, void_settings, VOID)) == 1
    async with DockerRuntime(void_settings) as next_one:
        await next_one.discard(left.spec.name)
    assert leftovers(engine, void_settings) == []


async def test_a_manager_without_a_void_sweeps_the_one_of_its_predecessor(
    engine: docker.APIClient, docker_settings: DockerSettings, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    killed = DockerRuntime(void_settings)
    await (await killed.start(spec())).destroy()
    async with DockerRuntime(docker_settings) as successor:
        assert await successor.sweep(frozenset()) == [VOID]
    assert leftovers(engine, docker_settings) == []
    await killed.aclose()


async def test_where_the_void_cannot_be_made_each_instance_has_a_network_of_its_own(
    engine: docker.APIClient, void_settings: DockerSettings, spec: MakeSpec
) -> None:
    settings = dataclasses.replace(void_settings, void_image="genvm-test-absent:latest")
    async with DockerRuntime(settings) as runtime:
        instance = await runtime.start(spec())
        assert mode(engine, instance.engine_id) == "none"
        await instance.destroy()


def of_role(engine: docker.APIClient, settings: DockerSettings, role: str) -> list[dict[str, Any]]:
    prefix = settings.label_prefix
    labels = [f"{prefix}managed-by={settings.manager_id}", f"{prefix}role={role}"]
    found: list[dict[str, Any]] = engine.containers(all=True, filters={"label": labels})
    return found


def mode(engine: docker.APIClient, container: str) -> str:
    return str(engine.inspect_container(container)["HostConfig"]["NetworkMode"])

"""What executions may expect of an instance, whatever runtime it is of."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing, suppress
from pathlib import Path

import pytest

from genvm_wire.instance_messages import Ack, JobMessage, Ready, Result, Resume, from_instance
from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    EngineRefused,
    Greeting,
    Instance,
    InstanceDied,
    ProtocolBroken,
)
from tests.integration.runtime.runtime_kit import MIB, AnyRuntime, MakeSpec, job_to, nothing_is_left

BESIDE_PODS = pytest.mark.parametrize("runtime", ["docker", "process", "pool"], indirect=True)
"""What says nothing about Pods, or is asked of theirs where it is cheaper (`tests/kubernetes`)."""
DONE = Result(1, 0, b"done", True, {})


class NodeLine:
    """A node, as far as an instance's way to it goes; `dialled` counts."""

    def __init__(self) -> None:
        self.ours, self._theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.dialled = 0

    async def connect(self) -> socket.socket:
        self.dialled += 1
        return self._theirs

    async def places(self) -> None:
        """Nobody else can dial it."""

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()


async def given(instance: Instance, do: str) -> Control:
    """A connection whose job has been handed over."""
    await instance.control.send(job_to(do))
    return instance.control


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_job_with_a_socket_reaches_the_program_and_its_result_comes_back(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec())
    assert instance.greeting == Ready("probe", inlet=("T15b",))

    async def job() -> JobMessage:
        assert node.dialled == 1
        return job_to("echo")

    with closing(NodeLine()) as node:
        await instance.give(job, node, {})
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(node.ours, b"hello")
        assert await loop.sock_recv(node.ours, 100) == b"HELLO"
        assert node.dialled == 1
    assert await instance.control.receive(from_instance) == DONE
    assert not await instance.acknowledge(1, 60)
    ended = await instance.wait_exit()
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (0, None, False)
    await instance.destroy()


async def test_a_program_that_dials_its_node_itself_is_let_in_and_nobody_after_it(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec())

    async def job() -> JobMessage:
        return job_to("dial").but(host_table="T15b", sockets=["host"])

    with closing(NodeLine()) as node:
        await instance.give(job, node, {})
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(node.ours, b"hello")
        assert await loop.sock_recv(node.ours, 100) == b"HELLOConnectionRefusedError"
    assert await instance.control.receive(from_instance) == DONE
    assert not await instance.acknowledge(1, 60)
    await instance.destroy()


@pytest.mark.parametrize("code", [0, 1, 42])
async def test_an_exit_code_is_reported(runtime: AnyRuntime, spec: MakeSpec, code: int) -> None:
    instance = await runtime.start(spec())
    await given(instance, f"exit:{code}")
    ended = await instance.wait_exit()
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (code, None, False)
    assert ended.detail == ("last words" if code else "")
    await instance.destroy()


@BESIDE_PODS
@pytest.mark.parametrize("number", [6, 9, 11, 15])
async def test_a_signal_that_ended_the_program_is_reported(
    runtime: AnyRuntime, spec: MakeSpec, number: int
) -> None:
    instance = await runtime.start(spec())
    await given(instance, f"signal:{number}")
    ended = await instance.wait_exit()
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (None, number, False)
    await instance.destroy()


async def test_kill_ends_it_with_sigkill(runtime: AnyRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec())
    await given(instance, "sleep")
    await instance.kill()
    assert (await instance.wait_exit()).signal == 9
    await instance.kill()
    await instance.destroy()


async def test_an_instance_that_dies_before_it_connects_says_why(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    with pytest.raises(InstanceDied, match=r"exited with code 3: no such luck") as caught:
        await runtime.start(spec("dies"))
    assert caught.value.exit is not None
    assert caught.value.exit.exit_code == 3
    assert await nothing_is_left(runtime, state_dir)


async def test_an_instance_that_never_says_ready_is_given_up_and_leaves_nothing(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    with pytest.raises(InstanceDied, match="not ready within"):
        await runtime.start(spec("silent", ready_within=0.05))
    assert await nothing_is_left(runtime, state_dir)


async def test_an_instance_can_be_destroyed_while_its_next_connection_is_waited_for(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec())
    waiting = asyncio.create_task(_greeted(instance))
    await asyncio.wait([waiting], timeout=0)
    await instance.destroy()
    with pytest.raises(InstanceDied):
        await waiting


async def _greeted(instance: Instance) -> Greeting:
    """On the next connection that does not end before a word."""
    while True:
        with suppress(ChannelClosed):
            return await instance.greet(None)


async def test_the_newest_connection_counts(runtime: AnyRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec())
    first = await given(instance, "again")
    assert await instance.greet(60) == Resume(1, True)
    with pytest.raises(ChannelClosed):
        await first.receive(from_instance)
    await instance.control.send(Ack(1))
    assert (await instance.wait_exit()).exit_code == 0
    await instance.destroy()


@BESIDE_PODS
@pytest.mark.parametrize("do", ["garbage", "unknown", "oversize", "descriptors"])
async def test_what_the_protocol_forbids_closes_the_channel(
    runtime: AnyRuntime, spec: MakeSpec, do: str
) -> None:
    instance = await runtime.start(spec())
    before = open_descriptors()
    control = await given(instance, do)
    with pytest.raises(ProtocolBroken):
        await control.receive(from_instance)
    with pytest.raises((ProtocolBroken, ChannelClosed)):
        await control.receive(from_instance)
    assert open_descriptors() <= before
    await instance.destroy()


async def test_half_a_frame_at_the_end_is_a_closed_channel(runtime: AnyRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec())
    control = await given(instance, "half")
    await instance.kill()
    with pytest.raises(ChannelClosed):
        await control.receive(from_instance)
    await instance.destroy()


async def test_what_it_sent_before_it_ended_can_be_read_afterwards(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec())
    control = await given(instance, "nothing")
    assert await control.receive(from_instance) == DONE
    await instance.kill()
    await instance.wait_exit()
    with pytest.raises(ChannelClosed):
        await control.receive(from_instance)
    await instance.destroy()


async def test_destroy_ends_a_running_instance_and_may_be_repeated(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    instance = await runtime.start(spec())
    await given(instance, "sleep")
    await asyncio.gather(instance.destroy(), instance.destroy())
    await instance.destroy()
    assert (await instance.wait_exit()).signal == 9
    assert await nothing_is_left(runtime, state_dir)


async def test_two_instances_cannot_have_one_name(runtime: AnyRuntime, spec: MakeSpec) -> None:
    # Of a kind that no pool has ready: its names are its own.
    wanted = spec(memory_bytes=65 * MIB)
    instance = await runtime.start(wanted)
    with pytest.raises(EngineRefused, match="exists"):
        await runtime.start(wanted)
    await given(instance, "exit:0")
    await instance.destroy()


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.03, 0.1, 0.25, 1.0])
async def test_a_cancelled_start_leaves_nothing(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path, delay: float
) -> None:
    """Wherever it is: before its container is there, or while its `ready` is waited for."""
    starting: asyncio.Task[Instance] = asyncio.create_task(runtime.start(spec("silent")))
    await asyncio.wait([starting], timeout=delay)
    assert starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await nothing_is_left(runtime, state_dir)


@BESIDE_PODS
async def test_twenty_at_once(runtime: AnyRuntime, spec: MakeSpec, state_dir: Path) -> None:
    async def one() -> None:
        instance = await runtime.start(spec())
        try:
            control = await given(instance, "nothing")
            assert await control.receive(from_instance) == DONE
            await control.send(Ack(1))
            assert (await instance.wait_exit()).exit_code == 0
        finally:
            await instance.destroy()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(one())
    assert await nothing_is_left(runtime, state_dir)


@BESIDE_PODS
async def test_sweep_removes_what_an_earlier_manager_left_and_keeps_what_is_named(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    """Of a runtime that keeps directories; of Pods see `test_kube_own_pods`."""
    instance = await runtime.start(spec())
    stale, kept, ours = (state_dir / "instances" / name for name in ("stale", "kept", instance.spec.name))
    stale.mkdir()
    kept.mkdir()
    assert await runtime.sweep(frozenset({kept.name})) == [stale.name]
    assert (stale.exists(), kept.exists(), ours.exists()) == (False, True, True)
    await instance.destroy()


async def test_a_missing_program_is_refused_and_leaves_nothing(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    with pytest.raises(EngineRefused):
        await runtime.start(spec(image="absent"))
    assert await nothing_is_left(runtime, state_dir)

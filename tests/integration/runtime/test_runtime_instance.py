"""What executions may expect of an instance, whatever runtime it is of."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from orchestrator.runtime.port import (
    ChannelClosed,
    Control,
    EngineRefused,
    Instance,
    InstanceDied,
    ProtocolBroken,
)
from tests.integration.runtime.runtime_kit import AnyRuntime, MakeSpec


async def given(instance: Instance, do: str) -> Control:
    """A connection whose job has been handed over."""
    control = await instance.connect()
    assert (await control.receive())["kind"] == "ready"
    await control.send({"kind": "job", "do": do})
    return control


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_job_with_a_socket_reaches_the_program_and_its_result_comes_back(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec())
    control = await instance.connect()
    assert await control.receive() == {"kind": "ready", "protocol": 1, "executor": "probe"}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        await control.send({"kind": "job", "do": "echo"}, [theirs.fileno()])
        theirs.close()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(ours, b"hello")
        assert await loop.sock_recv(ours, 100) == b"HELLO"
    assert (await control.receive())["payload"] == b"done"
    await control.send({"kind": "ack", "run": 1})
    ended = await instance.wait_exit()
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (0, None, False)
    await instance.destroy()


@pytest.mark.parametrize("code", [0, 1, 42])
async def test_an_exit_code_is_reported(runtime: AnyRuntime, spec: MakeSpec, code: int) -> None:
    instance = await runtime.start(spec())
    await given(instance, f"exit:{code}")
    ended = await instance.wait_exit()
    assert (ended.exit_code, ended.signal, ended.oom_killed) == (code, None, False)
    assert ended.detail == ("last words" if code else "")
    await instance.destroy()


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


async def test_an_instance_that_dies_before_it_connects_says_why(runtime: AnyRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec("dies"))
    with pytest.raises(InstanceDied, match=r"exited with code 3: no such luck"):
        await instance.connect()
    await instance.destroy()


async def test_an_instance_that_never_connects_can_be_destroyed_under_a_waiting_connect(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec("silent"))
    waiting = asyncio.create_task(instance.connect())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asyncio.shield(waiting)
    await instance.destroy()
    with pytest.raises((ChannelClosed, InstanceDied)):
        await waiting


async def test_the_newest_connection_counts(runtime: AnyRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec())
    first = await given(instance, "again")
    second = await instance.connect()
    assert (await second.receive())["kind"] == "resume"
    with pytest.raises(ChannelClosed):
        await first.receive()
    await second.send({"kind": "ack", "run": 1})
    assert (await instance.wait_exit()).exit_code == 0
    await instance.destroy()


@pytest.mark.parametrize("do", ["garbage", "unknown", "oversize", "descriptors"])
async def test_what_the_protocol_forbids_closes_the_channel(
    runtime: AnyRuntime, spec: MakeSpec, do: str
) -> None:
    instance = await runtime.start(spec())
    before = open_descriptors()
    control = await given(instance, do)
    with pytest.raises(ProtocolBroken):
        await control.receive()
    with pytest.raises((ProtocolBroken, ChannelClosed)):
        await control.receive()
    assert open_descriptors() <= before
    await instance.destroy()


async def test_half_a_frame_at_the_end_is_a_closed_channel(runtime: AnyRuntime, spec: MakeSpec) -> None:
    instance = await runtime.start(spec())
    control = await given(instance, "half")
    await instance.kill()
    with pytest.raises(ChannelClosed):
        await control.receive()
    await instance.destroy()


async def test_what_it_sent_before_it_ended_can_be_read_afterwards(
    runtime: AnyRuntime, spec: MakeSpec
) -> None:
    instance = await runtime.start(spec())
    control = await given(instance, "nothing")
    assert (await control.receive())["payload"] == b"done"
    await instance.kill()
    await instance.wait_exit()
    with pytest.raises(ChannelClosed):
        await control.receive()
    await instance.destroy()


async def test_destroy_ends_a_running_instance_and_may_be_repeated(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    instance = await runtime.start(spec())
    await given(instance, "sleep")
    await asyncio.gather(instance.destroy(), instance.destroy())
    await instance.destroy()
    assert (await instance.wait_exit()).signal == 9
    assert list((state_dir / "instances").iterdir()) == []


async def test_two_instances_cannot_have_one_name(runtime: AnyRuntime, spec: MakeSpec) -> None:
    wanted = spec()
    instance = await runtime.start(wanted)
    with pytest.raises(EngineRefused, match="exists"):
        await runtime.start(wanted)
    await given(instance, "exit:0")
    await instance.destroy()


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.03, 0.1, 0.25])
async def test_a_cancelled_start_leaves_nothing(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path, delay: float
) -> None:
    starting: asyncio.Task[Instance] = asyncio.create_task(runtime.start(spec()))
    await asyncio.wait([starting], timeout=delay)
    if starting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await starting
    else:
        await (await starting).destroy()
    assert runtime.statistics().instances == 0
    instances = state_dir / "instances"
    assert not instances.exists() or list(instances.iterdir()) == []


async def test_twenty_at_once(runtime: AnyRuntime, spec: MakeSpec) -> None:
    async def one() -> None:
        instance = await runtime.start(spec())
        try:
            control = await given(instance, "nothing")
            assert (await control.receive())["payload"] == b"done"
            await control.send({"kind": "ack", "run": 1})
            assert (await instance.wait_exit()).exit_code == 0
        finally:
            await instance.destroy()

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(one())
    assert runtime.statistics().instances == 0


async def test_sweep_removes_what_an_earlier_manager_left_and_keeps_what_is_named(
    runtime: AnyRuntime, spec: MakeSpec, state_dir: Path
) -> None:
    stale, kept, ours = (state_dir / "instances" / name for name in ("stale", "kept", "ours"))
    instance = await runtime.start(spec(name=ours.name))
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
    assert list((state_dir / "instances").iterdir()) == []

"""A container that the manager started for a real contract, looked at while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import pytest

from orchestrator.node.store import NodeStore
from orchestrator.runtime.docker.options import seccomp_profile
from tests.e2e.chain import source
from tests.e2e.manager_process import ManagerProcess
from tests.e2e.strict_node import StrictNode, staged

FOREIGN_UID = "64321"
PROFILE = seccomp_profile()


@pytest.fixture
async def inspected(
    engine: docker.APIClient, manager: ManagerProcess, node: StrictNode, store: NodeStore
) -> AsyncIterator[dict[str, Any]]:
    """What the engine says of the container of a run that is under way."""
    await asyncio.to_thread(manager.wait_idle, engine)
    async with node.listener(await staged(store, source("behaviour.py"), "spin")) as listener:
        run_id = await node.post(listener.uri, host_data='{"node_address": "0x", "tx_id": "a-secret"}')
        await listener.first_byte.wait()
        [container] = await asyncio.to_thread(manager.containers, engine)
        yield await asyncio.to_thread(engine.inspect_container, container)
        await node.ended(run_id)


def processes(inspected: dict[str, Any]) -> list[Path]:
    """/proc of the container's init and everything below it."""
    found, at = [int(inspected["State"]["Pid"])], 0
    while at < len(found):
        children = Path(f"/proc/{found[at]}/task/{found[at]}/children").read_text("ascii")
        found += [int(pid) for pid in children.split()]
        at += 1
    return [Path(f"/proc/{pid}") for pid in found]


async def test_the_engine_was_told_to_restrict_it(inspected: dict[str, Any]) -> None:
    host = inspected["HostConfig"]
    assert (host["Privileged"], host["ReadonlyRootfs"], host["Init"]) == (False, True, False)
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
    assert sorted(host["SecurityOpt"]) == ["no-new-privileges:true", f"seccomp={PROFILE}"]
    assert host["NetworkMode"] == "none" or host["NetworkMode"].startswith("container:")
    assert host["Memory"] == host["MemorySwap"] == 1024**3
    assert (host["NanoCpus"], host["PidsLimit"]) == (10**9, 64)
    assert (host["Devices"], host["Binds"], host["RestartPolicy"]["Name"]) == ([], None, "no")
    assert "size=16777216" in host["Tmpfs"]["/tmp"]


async def test_it_can_reach_one_directory_read_only_and_no_socket_of_the_engine(
    inspected: dict[str, Any], manager: ManagerProcess
) -> None:
    [mount] = [mount for mount in inspected["Mounts"] if mount["Type"] == "bind"]
    assert (mount["Destination"], mount["RW"]) == ("/run/genvm", False)
    assert Path(mount["Source"]).parent == manager.state_dir / "instances"


async def test_labels_environment_and_command_line_tell_ids_only(
    engine: docker.APIClient, inspected: dict[str, Any]
) -> None:
    config = inspected["Config"]
    assert {name.removeprefix("io.genvm.orchestrator.") for name in config["Labels"]} >= {
        "managed-by",
        "execution",
        "role",
        "version",
        "deadline",
    }
    assert "a-secret" not in str((config, inspected["Args"], inspected["Path"]))
    image = await asyncio.to_thread(engine.inspect_image, inspected["Image"])
    assert set(config["Env"]) - set(image["Config"]["Env"]) == {"GENVM_CONTROL=control.sock"}


async def test_its_processes_have_no_privilege_and_cannot_get_any(inspected: dict[str, Any]) -> None:
    for process in processes(inspected):
        text = (process / "status").read_text("ascii")
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        name = fields["Name"]
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == int(fields["CapBnd"], 16) == 0, name
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2"), name
        assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {FOREIGN_UID}, name


async def test_its_network_is_a_loopback_that_nobody_shares_with_the_host(inspected: dict[str, Any]) -> None:
    for process in processes(inspected):
        interfaces = (process / "net" / "dev").read_text("ascii").splitlines()[2:]
        assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
        for namespace in ("net", "pid", "ipc", "mnt", "uts"):
            assert (process / "ns" / namespace).readlink() != Path(f"/proc/self/ns/{namespace}").readlink()

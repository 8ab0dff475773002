"""Rows 11, 12, 13 and 20: the host's levers, devices and secrets are absent, what can be read is listed."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.conftest import SECRETS
from tests.hostile.site import Site

DEVICES = {"full", "null", "ptmx", "random", "tty", "urandom", "zero"}
NAMES = DEVICES | {"core", "fd", "mqueue", "pts", "shm", "stderr", "stdin", "stdout"}
ENVIRONMENT = {"GENVM_CONTROL", "GENVM_PRECOMPILED_DIR", "HOSTNAME", "HOME", "LANG", "PATH"}
ENVIRONMENT |= {"PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONUNBUFFERED"}
WRITES = {"EROFS", "EACCES", "EPERM", "ENOENT"}


async def test_no_process_but_its_own_can_be_seen_or_signalled(site: Site) -> None:
    seen = await site.look("processes.foreign")
    assert seen["reached"] == []
    assert {"1", str(seen["own"])} <= seen["seen"].keys()
    assert len(seen["seen"]) <= 3


async def test_the_host_s_memory_keys_and_timers_cannot_be_read(site: Site) -> None:
    seen = await site.look("facts.host_switches")
    read = {name: told for name, told in seen.items() if name.startswith(("read", "list"))}
    assert set(read.values()) <= {"b''", "[]", "b'0000000000000000'"}, read


async def test_no_switch_of_the_host_can_be_written(site: Site) -> None:
    seen = await site.look("facts.host_switches")
    written = {name: told for name, told in seen.items() if not name.startswith(("read", "list"))}
    assert set(written.values()) <= WRITES, written


async def test_there_are_no_devices_but_the_harmless_and_none_can_be_made(site: Site) -> None:
    seen = await site.look("facts.devices")
    nodes = {Path(path).name for path in seen["nodes"] if not path.startswith("/dev/pts/")}
    assert nodes <= DEVICES
    assert set(seen["nodes"].values()) == {"c"}
    assert set(seen["names"]) <= NAMES
    assert {seen[act] for act in seen if act.startswith("mknod")} == {"EPERM"}


async def test_no_secret_socket_or_environment_of_the_manager_is_there(site: Site) -> None:
    words = [*SECRETS.values(), *SECRETS, str(site.manager.state_dir / "manager-id"), "docker.sock"]
    seen = await site.look("facts.search", words=words)
    assert seen["found"] == []
    assert set(seen["sockets"]) <= {"/run/genvm/control.sock", "/run/genvm/watch.sock"}
    assert seen["known"] == []
    assert set(seen["environment"]) <= ENVIRONMENT
    assert seen["files"] > 0


async def test_the_kernel_s_files_say_nothing_but_what_the_processor_says(site: Site) -> None:
    """A name that a newer kernel adds fails this: then it belongs into masks.py."""
    assert set(await site.look("facts.readable")) <= {"/proc/cpuinfo"}


async def test_no_process_makes_itself_the_last_to_go_when_memory_runs_out(site: Site) -> None:
    seen = await site.look("facts.lower_oom_score")
    assert (set(seen["tried"].values()), seen["is"]) == ({"EROFS"}, "500")


async def test_the_host_name_is_generic(site: Site) -> None:
    seen = await site.look("facts.of_itself")
    assert (seen["host_name"], seen["etc"]["hostname"].strip()) == ("genvm", "genvm")
    assert seen["environ"].get("HOSTNAME", "genvm") == "genvm"
    assert seen["etc"]["resolv.conf"].split() == ["nameserver", "127.0.0.1"]

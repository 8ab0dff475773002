"""Rows 8, 9 and 10: nothing can be gained, and the doors to the kernel are shut."""

from __future__ import annotations

import pwd

import pytest

from tests.hostile.site import Site
from tests.integration import seccomp_probe

NONE = "0" * 16
CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
REFUSED = {"EPERM", "EINVAL", "EACCES"}


async def test_nothing_is_there_to_gain_from(site: Site) -> None:
    before = (await site.look("privileges.gain"))["before"]
    assert {before[name] for name in CAPABILITIES} == {NONE}
    assert (before["NoNewPrivs"], before["Seccomp"]) == ("1", "2")


async def test_no_capability_user_or_right_can_be_gained(site: Site) -> None:
    seen = await site.look("privileges.gain")
    assert set(seen["tried"].values()) <= REFUSED, seen["tried"]
    assert seen["after"] == seen["before"]


async def test_there_is_no_set_uid_file_and_none_with_a_capability(site: Site) -> None:
    assert await site.look("privileges.set_uid_files") == []


async def test_nobody_can_be_traced(site: Site) -> None:
    seen = await site.look("privileges.trace")
    assert {seen["attach"], seen["memory of one's own child"]} == {"EPERM"}


async def test_the_user_is_the_fixed_one_who_is_nobody_on_the_host(site: Site, uid: int) -> None:
    """As root inside: root by number only, in every other respect the same."""
    before = (await site.look("privileges.gain"))["before"]
    assert (set(before["Uid"].split()), set(before["Gid"].split())) == ({str(uid)}, {str(uid)})
    assert set(before["Groups"].split()) <= {str(uid)}
    if uid:
        with pytest.raises(KeyError):
            pwd.getpwuid(uid)


async def test_process_1_cannot_be_read_or_changed(site: Site) -> None:
    """It is the watchdog that ends the container at its deadline."""
    seen = await site.look("privileges.trace")
    told = {act: seen[act] for act in ("read its memory", "write its memory", "its root", "its descriptors")}
    assert set(told.values()) <= {"EACCES", "EROFS"}, told


@pytest.mark.parametrize("call", sorted(seccomp_probe.CALLS))
async def test_a_door_to_the_kernel_is_shut(site: Site, call: str) -> None:
    assert (await site.look("kernel.doors"))["calls"][call] == "EPERM"


@pytest.mark.parametrize("namespace", sorted(seccomp_probe.NAMESPACES))
async def test_no_namespace_can_be_made(site: Site, namespace: str) -> None:
    assert (await site.look("kernel.doors"))["namespaces"][namespace] == "EPERM"


async def test_the_calls_of_other_architectures_and_of_newer_clones_are_refused(site: Site) -> None:
    seen = await site.look("kernel.doors")
    assert (seen["foreign"], seen["clone3"]) == (False, "ENOSYS")

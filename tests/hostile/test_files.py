"""Rows 3, 4 and 19: nothing can be written but a small tmpfs, and filling that harms nobody else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.hostile.site import Site
from tests.until import wait_until

MIB = 1024 * 1024
GIB = 1024 * MIB
LOG_BOUND = 2 * MIB
"""Of a container's own log: the engine cuts it at 1 MiB, a little late."""
TAIL = 4 * MIB
RESIDENT_BOUND = 48 * MIB
"""That a manager may grow under a flood: two tails, what is on its way, what Python keeps for later."""
TMP, SHM = "/tmp", "/dev/shm"


def writable(uid: int) -> set[str]:
    """Where a file can be made. As root inside also beside the devices, in memory that counts."""
    return {TMP, SHM} if uid else {TMP, SHM, "/dev"}


async def test_nothing_can_be_written_but_the_tmpfs(site: Site, uid: int) -> None:
    seen = await site.look("files.write_everywhere")
    assert seen["looked"] > 1000
    assert set(seen["folders"]) <= writable(uid) | {"/dev/mqueue"}
    assert [path for path in seen["files"] if not path.startswith("/dev/")] == []


@pytest.mark.parametrize("place", ["/", "/etc", "/usr", "/opt/genvm", "/run", "/run/genvm", "/proc", "/sys"])
async def test_a_named_place_is_read_only(site: Site, place: str) -> None:
    places = ["/", "/etc", "/usr", "/opt/genvm", "/run", "/run/genvm", "/proc", "/sys"]
    seen = await site.look("files.write_named", paths=places)
    assert seen[place] in {"EROFS", "EACCES", "ENOENT"}


async def test_no_link_fifo_or_file_can_be_put_where_the_manager_reads(site: Site) -> None:
    seen = await site.look("files.change_mounts")
    assert set(seen.values()) <= {"EROFS", "EPERM", "EACCES", "EXDEV"}, seen


async def test_a_link_where_the_manager_reads_is_not_followed(site: Site, tmp_path: Path) -> None:
    """As if it could be put there all the same: in its directory, and in place of its socket."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "kept").write_text("kept")
    async with site.attack("neighbours.hold", secret="x") as attack:
        await attack.node.hears("holding")
        [directory] = (site.manager.state_dir / "instances").iterdir()
        (directory / "folder").symlink_to(precious)
        (directory / "hard").hardlink_to(precious / "kept")
        (directory / "control.sock").rename(directory / "moved")
        (directory / "control.sock").symlink_to(precious / "kept")
        attack.node.go_on()
        assert (await attack.status())["cause"] == "exited"
    await asyncio.to_thread(wait_until, lambda: not directory.exists())
    assert (precious / "kept").read_text() == "kept"


@pytest.mark.parametrize(("place", "most"), [(TMP, 16 * MIB), (SHM, MIB)], ids=["tmp", "shm"])
async def test_a_tmpfs_can_be_filled_to_its_bound_only(site: Site, place: str, most: int) -> None:
    seen = await site.ask("files.fill", folder=place, at_most=64 * MIB)
    assert seen["bytes"] <= most
    assert seen["why"] == "ENOSPC"


@pytest.mark.parametrize("place", [TMP, SHM], ids=["tmp", "shm"])
async def test_a_million_small_files_end_at_the_bound_of_inodes(site: Site, place: str) -> None:
    seen = await site.ask("files.litter", folder=place, at_most=1_000_000)
    assert seen["why"] == "ENOSPC"
    assert seen["files"] <= 4096


async def test_a_gibibyte_of_output_leaves_the_disk_and_the_manager_flat(site: Site) -> None:
    """To the container's own stdout, which the engine keeps."""
    before = site.manager.resident_bytes()
    async with site.attack("files.print_much", count=GIB) as attack:
        await attack.node.hears("printed")
        container = await attack.container()
        assert container is not None
        log = Path(container["LogPath"])
        assert sum(file.stat().st_size for file in log.parent.glob(f"{log.name}*")) < LOG_BOUND
        sizes = await asyncio.to_thread(site.engine.containers, size=True, filters={"id": container["Id"]})
        assert sizes[0].get("SizeRw", 0) == 0
        attack.node.go_on()
        assert (await attack.said())["bytes"] == GIB
    assert site.manager.resident_bytes() - before < RESIDENT_BOUND


async def test_a_flood_of_a_contract_s_output_is_kept_by_its_tail(site: Site) -> None:
    before = site.manager.resident_bytes()
    async with site.attack("files.send_much", count=256 * MIB) as attack:
        status = await attack.status()
    assert status["cause"] == "exited"
    assert len(status["stdout"]) == TAIL
    assert site.manager.resident_bytes() - before < RESIDENT_BOUND


async def test_limits_cannot_be_raised(site: Site) -> None:
    assert set((await site.look("files.raise_limits")).values()) == {"EPERM"}

"""Row 14: another run is not there."""

from __future__ import annotations

import re

from tests.hostile.site import Site

SECRET = "canary-of-a-neighbour"


async def test_another_run_s_files_processes_and_sockets_are_not_visible(site: Site) -> None:
    async with site.attack("neighbours.hold", secret=SECRET) as neighbour:
        await neighbour.node.hears("holding")
        directory = site.manager.state_dir / "instances" / f"run-{neighbour.run_id}"
        assert directory.is_dir()
        seen = await site.ask("neighbours.spy", secret=SECRET, paths=[str(directory)])
        neighbour.node.go_on()
        assert (await neighbour.status())["cause"] == "exited"
    assert seen["found"] == []
    assert set(seen["paths"].values()) | {seen["above"]} == {"ENOENT"}
    assert set(seen["control by the host's path"].values()) <= {"ENOENT", "EPERM"}
    assert len(seen["processes"]) <= 3
    assert set(seen["run"]) <= {"genvm", "lock"}


async def test_what_is_listed_of_a_neighbour_s_sockets_names_and_reaches_nobody(site: Site) -> None:
    """In the shared network they can be counted (docs/isolation.md); a name is a number of the manager's."""
    async with site.attack("neighbours.hold", secret=SECRET) as neighbour:
        await neighbour.node.hears("holding")
        seen = await site.ask("neighbours.spy", secret=SECRET, paths=[])
        neighbour.node.go_on()
        await neighbour.status()
    assert all(
        re.fullmatch(r"/proc/self/fd/\d+/(control|watch)\.sock", name) for name in seen["names of sockets"]
    )
    assert seen["abstract"] in {"ECONNREFUSED", "EPERM"}

"""What sharing a journal costs a manager: processor time of a run, alone and among three.

    python -m bench.managers [RUNS]

Instances are scripted, and permits are plenty: what is measured is the managers and the database. Rates are
not, because all of them share this machine's processors; from the processor time follows what three machines
would do of one's work, as long as the database is not the limit.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.postgres import fresh_database, postgres_server
from tests.several_managers import Several, several_managers

AT_ONCE = 12
"""Runs that each manager has at once, whether it is alone or one of several: as many as make it busy."""


def processor_seconds(pid: int) -> float:
    """Of a process, without its children. Blocking."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def of_servers() -> float:
    """Of all PostgreSQL processes that are alive. Blocking."""
    total = 0.0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("postgres"):
                total += processor_seconds(int(process.name))
        except OSError:
            continue
    return total


async def spent(site: Several, names: list[str], runs: int) -> tuple[float, float]:
    """Milliseconds of the managers' and of the database's processor time, a run. `runs`: of each manager."""
    rooms = {name: asyncio.Semaphore(AT_ONCE) for name in names}

    async def one(number: int) -> None:
        name = names[number % len(names)]
        async with rooms[name]:
            run_id = await site.run(name, key=f"{name}-{number}")
            await site.final(name, run_id)

    def taken() -> float:
        return sum(processor_seconds(site.managers[name].process.pid) for name in names)

    first, runs = AT_ONCE * len(names), runs * len(names)
    await asyncio.gather(*(one(number) for number in range(first)))
    before = await asyncio.to_thread(taken), await asyncio.to_thread(of_servers)
    await asyncio.gather(*(one(number) for number in range(first, first + runs)))
    after = await asyncio.to_thread(taken), await asyncio.to_thread(of_servers)
    managers, server = (1000 * (then - now) / runs for now, then in zip(before, after, strict=True))
    return managers, server


async def measured(url: str, folder: Path, count: int, runs: int) -> tuple[float, float]:
    """One that knows of no others, or `count` that share the journal."""
    names = [f"m{number}" for number in range(count)]
    alone = {"cluster_address": ""} if count == 1 else {}
    async with several_managers(folder, url, permits=64, **alone) as site:
        await asyncio.gather(*(site.start(name) for name in names))
        return await spent(site, names, runs)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    found: dict[str, float] = {}
    with postgres_server() as server:
        for count in (1, 3):
            folder = Path(tempfile.mkdtemp(prefix="genvm-"))
            with fresh_database(server, f"managers_{count}") as url:
                managers, database = asyncio.run(measured(url, folder, count, runs))
            shutil.rmtree(folder)
            found[f"manager_ms_per_run_{count}"] = round(managers, 2)
            found[f"database_ms_per_run_{count}"] = round(database, 2)
    found["three_to_one"] = round(3 * found["manager_ms_per_run_1"] / found["manager_ms_per_run_3"], 2)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

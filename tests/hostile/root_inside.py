"""`genvm-orchestrator` with one difference: instances' user is 0, as if the fixed one had been lost.

For the second pass of the hostile tests. Nothing in the product can be set to this.
"""

from __future__ import annotations

import sys
from functools import partial

from orchestrator.__main__ import main
from orchestrator.kits.docker import kit
from orchestrator.runtime.docker.settings import DockerSettings

if __name__ == "__main__":
    kit.DockerSettings = partial(DockerSettings, uid=0)  # type: ignore[assignment, attr-defined]
    sys.exit(main())

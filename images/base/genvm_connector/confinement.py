"""The connector under a filter of its own: once it listens and has its certificate it needs few system calls.

It starts no process then, listens nowhere else, and its sockets are streams (docs/isolation.md).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genvm_wire.confinement import confine
from genvm_wire.seccomp import compiled

PROFILE_FILE = "seccomp-connector.json"


def connector_profile() -> dict[str, Any]:
    profile: dict[str, Any] = json.loads(Path(__file__).with_name(PROFILE_FILE).read_text("utf-8"))
    return profile


def confine_connector() -> None:
    """For good. Before there is a second thread. Raises FilterRefused, ProfileUnsound."""
    confine(compiled(connector_profile()))

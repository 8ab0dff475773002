"""Whether an instance reaches the manager: a container connects to a socket in the state directory. Blocking.

It is what engines differ in most: remapped users, rootless ones, SELinux, a virtual machine or another
machine behind a context. So it is tried, and the engine's kind only says what to look at when it fails.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker import APIClient

from orchestrator.kits.docker import inside
from orchestrator.kits.docker.engine import ENGINE_ERRORS, kind_of, reason
from orchestrator.kits.finding import Finding, fail, ok
from orchestrator.runtime.port import EngineRefused, Role
from orchestrator.runtime.rendezvous import InstanceDirectories
from orchestrator.settings import Settings

NAME = "control_socket"
PROBE = "doctor"
SHARED = (
    "the engine has to see the manager's files under the same path: one on another machine or in a virtual "
    "machine does not (docs/engines.md)"
)
ADVICE: Mapping[str, str] = {
    "selinux": "SELinux keeps containers from the manager's sockets: the policy in docs/engines.md lets them",
    "rootless": "run the manager as the user whose engine it is, with the state directory in its home",
    "userns": "the remapped users have to get to the state directory: chmod o+x on the directories above it",
}


def check_meeting(client: APIClient, settings: Settings, info: Mapping[str, Any]) -> Finding:
    """That an instance's user, in a container as instances have it, connects to a socket of the manager's."""
    try:
        with _place(settings.state_dir) as directories:
            listener = directories.listen(PROBE)
            with listener:
                made = inside.body(
                    settings, Role.EXECUTOR, "meeting_probe.py", directories.path.absolute() / PROBE
                )
                seen = inside.look(client, made)
                return judge_meeting(seen, info)
    except (ValueError, EngineRefused, *ENGINE_ERRORS) as error:
        return judge_meeting({"error": reason(error)}, info)


def judge_meeting(seen: Mapping[str, Any], info: Mapping[str, Any]) -> Finding:
    """From what the probe met and what the engine says of itself."""
    error = str(seen.get("error", "nothing was said"))
    kinds = kind_of(info)
    shown = f" ({', '.join(kinds)})" if kinds else ""
    if not error:
        return ok(NAME, f"a container reaches the manager{shown}")
    if "No such image" in error:
        return fail(NAME, error, "make images")
    advice = next((ADVICE[kind] for kind in ADVICE if kind in kinds), SHARED)
    return fail(NAME, f"a container does not reach the manager{shown}: {error}", advice)


@contextmanager
def _place(state_dir: Path) -> Iterator[InstanceDirectories]:
    """Below the state directory, or where it will be; nothing of it is left."""
    there = state_dir.absolute()
    while not there.exists():
        there = there.parent
    with tempfile.TemporaryDirectory(prefix=".genvm-doctor-", dir=there) as made:
        os.chmod(made, 0o711)  # noqa: PTH101, S103 (as the state directory may be; its contents are nobody's)
        yield InstanceDirectories(Path(made))

"""The command line of `genvm` per host table (spec/host-protocol.md, 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from genvm_release.unsuitable import Unsuitable, not_served
from genvm_wire.instance_messages import JobMessage

READING = "r"
LETTERS = frozenset("rwscnu")
DEBUG_LEVEL = {False: "disabled", True: "safe"}


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Numbers of what the program inherits; `modules` by name, without those that the run may not use."""

    log: int
    node: int
    manager: int
    modules: Mapping[str, int]


def arguments(job: JobMessage, descriptors: Descriptors) -> list[str]:
    """What comes after the program's name. Raises Unsuitable."""
    if not set(job.permissions) <= LETTERS:
        # A client's text: as the program reads its command line, it could be another option of it.
        raise Unsuitable(f"Invalid permissions: {job.permissions!r}")
    match job.host_table:
        case "T9w":
            own = ["--permissions", job.permissions]
        case "T8":
            # Its earlier releases know no level, its later ones have a default.
            own = ["--permissions", job.permissions, *(_debug(job) if job.debug else [])]
        case "T9n":
            # Reading is always allowed there, and has no letter any more.
            own = ["--permissions", job.permissions.replace(READING, ""), *_debug(job)]
        case table:
            raise not_served(table)
    node, manager = (["--host", f"fd://{number}"] for number in (descriptors.node, descriptors.manager))
    modules = [f"--module-{name}=fd://{number}" for name, number in sorted(descriptors.modules.items())]
    sync = ["--sync"] if job.is_sync else []
    head = [f"--log-fd={descriptors.log}", "run", *sync]
    return [*head, *node, *own, f"--genvm-id={job.run}", *manager, *modules]


def _debug(job: JobMessage) -> list[str]:
    return ["--debug-mode", DEBUG_LEVEL[job.debug]]

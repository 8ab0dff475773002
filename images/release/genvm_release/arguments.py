"""The command line of `genvm` per host table (host-protocol 4.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from genvm_release.unsuitable import not_served
from genvm_wire.instance_messages import JobMessage

READING = "r"
DEBUG = "--debug-mode"
DEBUG_LEVEL = {False: "disabled", True: "safe"}
ONLY_SWITCHED = re.compile(r"v?0\.3\.0-rc\.?[1-4]", re.ASCII)
"""Releases of T8 to which debugging is on or off: a level after it would be an argument too many."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Numbers of what the program inherits; `modules` by name, without those that the run may not use."""

    log: int
    node: int
    manager: int
    modules: Mapping[str, int]


def arguments(job: JobMessage, descriptors: Descriptors) -> list[str]:
    """What comes after the program's name. Raises Unsuitable."""
    match job.host_table:
        case "T9w":
            first, own = switched(job), ["--permissions", job.permissions]
        case "T8" if ONLY_SWITCHED.fullmatch(job.executor_version):
            first, own = switched(job), ["--permissions", job.permissions]
        case "T8":
            # Without a word they have a default.
            first = _others(job)
            own = ["--permissions", job.permissions, *(_debug(job) if job.debug else [])]
        case "T9n":
            # Reading is always allowed there, and has no letter any more.
            first, own = _others(job), ["--permissions", job.permissions.replace(READING, ""), *_debug(job)]
        case table:
            raise not_served(table)
    node, manager = (["--host", f"fd://{number}"] for number in (descriptors.node, descriptors.manager))
    modules = [f"--module-{name}=fd://{number}" for name, number in sorted(descriptors.modules.items())]
    head = [f"--log-fd={descriptors.log}", "run", *first, *sync(job)]
    return [*head, *node, *own, f"--genvm-id={job.run}", *manager, *modules]


def sync(job: JobMessage) -> list[str]:
    """For a leader's results as they are."""
    return ["--sync"] if job.is_sync else []


def _others(job: JobMessage) -> list[str]:
    """The client's own arguments as they came, but for the switch."""
    return [word for word in job.extra_args if word != DEBUG]


def switched(job: JobMessage) -> list[str]:
    """The client's own arguments as they came; what the operator does not grant they do not switch on."""
    if not job.debug:
        return _others(job)
    return [*job.extra_args] if DEBUG in job.extra_args else [*job.extra_args, DEBUG]


def _debug(job: JobMessage) -> list[str]:
    return [DEBUG, job.debug_level or DEBUG_LEVEL[job.debug]]

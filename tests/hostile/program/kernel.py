"""Row 10 (and 2, 8): the doors to the kernel, one system call each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration import seccomp_probe as probe
else:  # beside this file in the image
    from . import seccomp_probe as probe
from .attempts import attempt
from .job import Job


@attempt
def doors(job: Job) -> dict[str, Any]:
    return {
        "calls": {name: probe.raw(numbers[probe.column], *[-1] * 6) for name, numbers in probe.CALLS.items()},
        "clone3": probe.raw(probe.CLONE3[probe.column], 0, 0),
        "namespaces": {name: probe.clone_into(flag) for name, flag in probe.NAMESPACES.items()},
        "foreign": probe.column == 0 and probe.in_child(probe.foreign_call_works),
    }

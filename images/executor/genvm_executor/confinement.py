"""The executor under its own filter of system calls, whatever started it (docs/isolation.md).

Two filters. The first is the profile that the engine has too, from before there is a job. The second comes on
top in the process that serves a run: no descriptor leaves it.
"""

from __future__ import annotations

from genvm_wire.seccomp import compiled, confine, executor_profile

PASSING = ("sendmsg",)
"""What sends descriptors; frames of the executor need only `send`."""


def confine_executor() -> None:
    """Put this process under the project's profile. Raises FilterRefused, ProfileUnsound."""
    confine(compiled(executor_profile()))


def confine_run() -> None:
    """Take away what a run does not need. Raises FilterRefused, ProfileUnsound."""
    confine(compiled(_without(PASSING)))


def _without(names: tuple[str, ...]) -> dict[str, object]:
    refusal = {"names": list(names), "action": "SCMP_ACT_ERRNO"}
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]}

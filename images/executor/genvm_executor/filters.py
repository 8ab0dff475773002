"""The executor under its own filters of system calls, whatever started it (docs/isolation.md).

Two of them. The first is the profile that the engine has too, from before there is a job. The second comes on
top in the process that serves a run: no descriptor leaves it. They are compiled ahead of time, where the
interpreter is; what is not there is compiled at the start.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import genvm_wire
from genvm_wire.confinement import confine
from genvm_wire.records import record

PASSING = ("sendmsg",)
"""What sends descriptors; frames of the executor need only `send`."""
_SOURCES = ("seccomp.py", "seccomp-executor.json", "syscalls.json")


@record
class Filters:
    """Programs for the kernel. Both methods raise FilterRefused."""

    executor: bytes
    run: bytes

    @classmethod
    def stored(cls, directory: Path) -> Filters:
        """From what `store` left in the code cache, or compiled now. Raises ProfileUnsound."""
        try:
            executor, run = (path.read_bytes() for path in filter_paths(directory))
        except OSError:
            return cls.compiled()
        return cls(executor, run)

    @classmethod
    def compiled(cls) -> Filters:
        """Raises ProfileUnsound."""
        from genvm_wire import seccomp  # noqa: PLC0415 (costs a start as much as all of this)

        return cls(seccomp.compiled(seccomp.executor_profile()), seccomp.compiled(_without(PASSING)))

    def store(self, directory: Path) -> None:
        for path, program in zip(filter_paths(directory), (self.executor, self.run), strict=True):
            partial = path.with_suffix(f".{os.getpid()}.partial")
            partial.write_bytes(program)
            partial.replace(path)

    def confine_executor(self) -> None:
        """Put this process under the project's profile."""
        confine(self.executor)

    def confine_run(self) -> None:
        """Take away what a run does not need."""
        confine(self.run)


def filter_paths(directory: Path) -> tuple[Path, Path]:
    """Where the filters of this profile, compiler and machine belong."""
    folder = Path(genvm_wire.__file__).parent
    own = hashlib.sha256(os.uname().machine.encode())
    for name in _SOURCES:
        own.update((folder / name).read_bytes())
    key = own.hexdigest()[:32]
    return directory / f"filter-{key}.bpf", directory / f"filter-{key}-run.bpf"


def _without(names: tuple[str, ...]) -> dict[str, object]:
    refusal = {"names": list(names), "action": "SCMP_ACT_ERRNO"}
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]}

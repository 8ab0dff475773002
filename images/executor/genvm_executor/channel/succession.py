"""Runs one after another, each in a fork of the started interpreter (docs/instance-protocol.md, reuse).

The process that forks never reads from the control channel: a job, and everything a run makes of it, is only
ever in the memory of that run's own fork. Whatever a fork leaves behind, or an end that is not clean, ends
this process too, and the instance with it. Only this process can say that the next job may come (`pledge`).
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from genvm_executor.channel.pledge import Pledge, Word

RUNS_VARIABLE = "GENVM_REUSE"
SCRATCH_VARIABLE = "GENVM_SCRATCH"
SERVED, FAILED, LEAVE = 0, 1, 3
"""Exit codes of a fork: its outcome is safe; it failed; the instance is wanted no more."""

_WAIT_FOR_ALL = 0x40000000
"""`__WALL`: children that are told of by no signal, too."""
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36

_log = logging.getLogger(__name__)


class Relieved(Exception):
    """In the process that forks: there will be no further run. `code` is the process's exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit {code}")
        self.code = code


class Succession:
    """`runs` in all. `scratch`: directories that only this instance writes to; they have to stay empty."""

    def __init__(self, runs: int = 1, scratch: tuple[Path, ...] = ()) -> None:
        self.runs = runs
        self.served = 0
        self.forked = False
        """Whether this process is a fork."""
        self.word: Word | None = None
        """What this fork's `ready` has to carry."""
        self._pledge: Pledge | None = None
        self._scratch = scratch
        self._fork: int | None = None

    @classmethod
    def of_environment(cls, variables: Mapping[str, str]) -> Succession:
        """As the manager asked for; one run where it did not, or not in numbers."""
        runs = variables.get(RUNS_VARIABLE, "")
        scratch = (Path(path) for path in variables.get(SCRATCH_VARIABLE, "").split(":") if path)
        return cls(int(runs) if runs.isascii() and runs.isdigit() and int(runs) else 1, tuple(scratch))

    def begin_run(self) -> None:
        """Return once per run: in this process if it serves only one, else in a fresh fork each time.

        Raises Relieved in the process that forks, when the runs are used up or one did not end cleanly.
        """
        if self.runs == 1:
            return
        _keep_to_itself()
        self._pledge = Pledge()
        signal.signal(signal.SIGTERM, self._pass_on)
        while self.served < self.runs:
            self.word = self._pledge.give()
            if self._forks():
                return
            self.served += 1
            self._check_nothing_is_left()
        raise Relieved(SERVED)

    def _forks(self) -> bool:
        """Fork. True in the fork; False in this process, when the fork has served its run."""
        pid = os.fork()
        if pid == 0:
            self.forked = True
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            return True
        self._fork = pid
        _, status = os.waitpid(pid, 0)
        self._fork = None
        if os.WIFSIGNALED(status):
            _end_by(os.WTERMSIG(status))
        code = os.waitstatus_to_exitcode(status)
        if code != SERVED:
            raise Relieved(SERVED if code == LEAVE else code)
        return False

    def _check_nothing_is_left(self) -> None:
        """Raises Relieved when the next run could meet anything of the last one."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT | _WAIT_FOR_ALL)
        except ChildProcessError:
            pass
        else:
            _log.error("a run left a process behind")
            raise Relieved(FAILED)
        try:
            left = [str(path) for path in self._scratch if any(path.iterdir())]
        except OSError as error:
            left = [str(error)]
        if left:
            _log.error("a run left files behind: %s", ", ".join(left))
            raise Relieved(FAILED)

    def _pass_on(self, number: int, _: object) -> None:
        if self._fork is None:
            _end_by(number)
        else:
            os.kill(self._fork, number)


def _keep_to_itself() -> None:
    """No fork may read or write this process's memory; processes that a fork abandons become its children."""
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_DUMPABLE, 0), (_PR_SET_CHILD_SUBREAPER, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"prctl({option})")
    gc.collect()
    gc.freeze()


def _end_by(number: int) -> None:
    """End as the fork did, so that whoever started this process sees how."""
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise Relieved(128 + number)

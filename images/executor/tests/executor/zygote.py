"""A warm executor that forks at its wait for a job: many runs of the real thing for the price of one start.

`python zygote.py` answers each line on its standard input, the path of a control socket, with a fresh child
that connects there and serves one run.
"""

from __future__ import annotations

import os
import signal
import sys

from genvm_executor.channel.control import ControlChannel
from genvm_executor.machine.engine import deterministic_engine, reserve_native_stack
from genvm_executor.python.precompile import precompiled_directory
from genvm_executor.python.programs import Programs
from genvm_executor.session import ExecutorSession, NoJob

MEMORY = 512 << 20


class ForkingSession(ExecutorSession):
    """Waits for paths instead of for one job."""

    def _wait_for_job(self) -> bytes:
        while path := sys.stdin.readline().strip():
            if os.fork() == 0:
                self._channel = ControlChannel(path)
                self._channel.connect()
                return super()._wait_for_job()
        raise NoJob("no more runs")


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    reserve_native_stack()
    programs = Programs.stored(deterministic_engine(), precompiled_directory())
    sys.exit(ForkingSession(ControlChannel("unused"), programs, MEMORY).serve())

"""One warm guest interpreter that forks a child per VM: `dir` lines in, exit statuses out.

The directory has `contract.py`, `start`, `world`; a child leaves `journal`, `stdout`, `stderr` there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import genvm_runner


def become_vm(folder: str) -> None:
    job = Path(folder)
    for number, name, flags in (
        (0, "start", os.O_RDONLY),
        (1, "stdout", os.O_WRONLY | os.O_CREAT),
        (2, "stderr", os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(job / name, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.environ["GUEST_WORLD"] = str(job / "world")
    os.environ["GUEST_JOURNAL"] = str(job / "journal")
    os.environ["PYTHONPATH"] = f"{folder}:{os.environ['PYTHONPATH']}"
    sys.path.insert(0, folder)
    genvm_runner.main()


genvm_runner.warm_up()
genvm_runner.choose("v0.2")
requests = os.fdopen(os.dup(0))
for line in requests:
    child = os.fork()
    if child == 0:
        become_vm(line.strip())
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)

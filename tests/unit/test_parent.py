"""Ending with the parent, whoever that is and however it ends (manager-api 1.2)."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CHILD = """
import asyncio, os
from orchestrator import parent

async def main():
    gone = asyncio.Event()
    async with parent.watched_parent(gone.set):
        print("watching", flush=True)
        await gone.wait()
    print("gone", flush=True)

{before}
asyncio.run(main())
"""
WITHOUT_DESCRIPTORS = """
def refused(pid):
    raise PermissionError("not here")
os.pidfd_open = refused
parent.LOOK_EVERY = 0.01
"""
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.parametrize("before", ["", WITHOUT_DESCRIPTORS], ids=["descriptor", "looking"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_child_hears_of_its_parents_end(before: str, number: int) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD.format(before=before)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as out:
        assert out.readline() == "watching\n"
        parent.send_signal(number)
        parent.wait()
        # To the end: the child has closed it as well.
        *_, last = out.read().splitlines()
        assert last == "gone"


ALREADY = """
import asyncio, subprocess, sys
from orchestrator.parent import watched_parent

async def main():
    ended = subprocess.Popen(["true"])
    ended.wait()
    gone = asyncio.Event()
    async with watched_parent(gone.set, parent=ended.pid):
        await gone.wait()

asyncio.run(main())
"""


def test_a_parent_that_ended_before_anybody_looked_is_told_of_at_once() -> None:
    assert subprocess.run([sys.executable, "-c", ALREADY], check=False).returncode == 0

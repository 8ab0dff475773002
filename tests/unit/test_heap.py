"""Memory that was needed once is given back."""

from __future__ import annotations

import subprocess
import sys

MIB = 1024**2
# A large block is freed, from which glibc learns; then many are, each below a small one that stays.
FLOOD = """
import os, sys
from orchestrator.heap import give_back_early

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

assert "early" not in sys.argv or give_back_early()
once = bytearray(24 * 1024**2)
del once
before = resident()
blocks, pins = [], []
for _ in range(20):
    blocks.append(bytearray(4 * 1024**2))
    pins.append(bytearray(64 * 1024))
del blocks
print(resident() - before)
"""


def growth(*arguments: str) -> int:
    """Bytes that a process keeps of 80 MiB that it has freed."""
    command = [sys.executable, "-c", FLOOD, *arguments]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_what_a_flood_took_is_given_back() -> None:
    """Of glibc, which is what the images and Debian have."""
    assert growth("early") < 8 * MIB < 32 * MIB < growth()


# As `serve` begins, up to the choice of its runtime.
BEGINNING = """
import sys
from orchestrator import heap
heap.import_log_alone()
from orchestrator.kits import kit_of
from orchestrator.serve import serve
from orchestrator.settings import Settings
kit_of(Settings(runtime="docker"))
unwanted = ("rich", "prometheus_client", "genvm_llm", "orchestrator.runtime.kubernetes")
print([name for name in unwanted if name in sys.modules])
import rich
"""


def test_a_manager_imports_nothing_that_it_may_never_need() -> None:
    """Whoever wants to draw in colours can: what is kept away is away for the log alone."""
    command = [sys.executable, "-c", BEGINNING]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split("\n") == ["[]", ""]

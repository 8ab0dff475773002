"""Programs that tests run and that are not installed for them: Debian's, unpacked (images/unpacked.sh)."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

UNPACKED = Path(__file__).resolve().parents[1] / "images" / "unpacked.sh"


@cache
def unpacked(name: str) -> str:
    """Where `name` is, this machine's own or Debian's. Blocking; fetches it the first time."""
    found = subprocess.run([UNPACKED, name], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        pytest.fail(found.stderr, pytrace=False)
    return found.stdout.strip()

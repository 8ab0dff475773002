"""What a round of fuzzing came to, and its one way to fail."""

from __future__ import annotations

import resource
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

MOST_GROWTH_BYTES = 64 * 1024 * 1024


class Broken(Exception):
    """The input that shows a defect is in the text."""


@dataclass
class Report:
    inputs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    growth_bytes: int = 0

    def check_growth(self, first: int) -> None:
        """Compare with what was resident after the first round. Raises Broken."""
        self.growth_bytes = resident_bytes() - first
        if self.growth_bytes > MOST_GROWTH_BYTES:
            raise Broken(f"memory grew by {self.growth_bytes} bytes")


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()

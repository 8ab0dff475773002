"""What a run printed and logged, as bytes that can be read in pieces (manager-api 3.6)."""

from __future__ import annotations

import json

from orchestrator.executions.final import FinalStatus
from orchestrator.executions.output import whole_characters

FIELDS = ("stdout", "stderr", "genvm_log")
LONGEST_PIECE = 262_144


class UnknownArtifact(Exception):
    """There is no artifact of that name."""


def artifact(final: FinalStatus, name: str) -> bytes:
    """The whole artifact: the kept tail of a stream, or the log with one JSON record in a line.

    Raises UnknownArtifact.
    """
    match name:
        case "stdout":
            return whole_characters(final.stdout, final.stdout_total)
        case "stderr":
            return whole_characters(final.stderr, final.stderr_total)
        case "genvm_log":
            return b"".join(json.dumps(record).encode() + b"\n" for record in final.log)
        case _:
            raise UnknownArtifact(f"unknown artifact field {name[:100]}")

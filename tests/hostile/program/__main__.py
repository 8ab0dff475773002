"""Speaks the instance protocol as an executor does, then makes the attempt that its job names."""

from __future__ import annotations

import json
from typing import Any

from . import (
    channel,
    descriptors,
    facts,
    files,
    kernel,
    neighbours,
    network,
    privileges,
    processes,
)
from .attempts import ATTEMPTS
from .job import Job, connect

__all__ = ["channel", "descriptors", "facts", "files", "kernel", "neighbours", "network"]
__all__ += ["privileges", "processes"]


def main() -> None:
    job = Job(connect())
    wanted: dict[str, Any] = json.loads(job.message.host_data)
    said = ATTEMPTS[wanted["attempt"]](job, **wanted["with"])
    job.say(said)
    job.finish()


if __name__ == "__main__":
    main()

"""Row 17: the frames that break the protocol. Names and bytes only, so that the tests can list them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .job import Job

MIB = 1024 * 1024


def _nested(depth: int) -> bytes:
    """A frame whose calldata is lists in lists."""
    body = b"\x0d" * depth + b"\x05"
    return struct.pack("<I", len(body)) + body


def _trickle(job: Job) -> None:
    """An announced megabyte of which little comes, and nothing after it."""
    job.raw(struct.pack("<I", MIB) + b"half")
    job.wait_for_the_end()


BROKEN: dict[str, Callable[[Job], object]] = {
    "oversize": lambda job: job.raw(b"\xff\xff\xff\xff"),
    "just over the limit": lambda job: job.raw(struct.pack("<I", 72 * MIB + 1)),
    "not calldata": lambda job: job.raw(struct.pack("<I", 4) + b"\xff\xff\xff\xff"),
    "empty": lambda job: job.raw(b"\0\0\0\0"),
    "a list": lambda job: job.raw(_nested(1)),
    "nested without end": lambda job: job.raw(_nested(100_000)),
    "no kind": lambda job: job.raw(job.frame({"run": job.run})),
    "an unknown kind": lambda job: job.raw(job.frame({"kind": "surprise", "run": job.run})),
    "the manager's own kind": lambda job: job.raw(job.frame({"kind": "job", "run": job.run})),
    "a result of another run": lambda job: job.raw(job.frame({**job.result(), "run": job.run + 1})),
    "a result without payload": lambda job: job.raw(job.frame({**job.result(), "payload": b""})),
    "a result of another code": lambda job: job.raw(job.frame({**job.result(), "code": 2})),
    "output of no stream": lambda job: job.raw(
        job.frame({"kind": "output", "stream": "stdin", "offset": 0, "data": b"x"})
    ),
    "output at a negative offset": lambda job: job.raw(
        job.frame({"kind": "output", "stream": "stdout", "offset": -1, "data": b"x"})
    ),
    "log records that are none": lambda job: job.raw(job.frame({"kind": "log", "records": [1]})),
    "a million small values": lambda job: job.raw(
        job.frame({"kind": "log", "records": [{}], "more": [0] * 1_100_000})
    ),
    "ready once more": lambda job: job.raw(job.frame({"kind": "ready", "protocol": 1, "executor": "x"})),
    "a resume of another run": lambda job: job.raw(
        job.frame({"kind": "resume", "protocol": 1, "run": job.run + 1, "finished": False})
    ),
    "half a frame and silence": _trickle,
}

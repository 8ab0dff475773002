"""The program inside a worker: one job after another from its pipe, each with its share of processor time."""

from __future__ import annotations

import marshal
import os
import resource
import struct
import sys

from genvm_llm.text_jobs import JOBS
from genvm_wire.confinement import hide_memory

MEMORY = 192 * 1024 * 1024
"""Of addresses. Two workers fit beside the module; a large reply in small pieces is refused."""


def main(seconds: float) -> None:
    hide_memory()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    orders, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    while len(header := orders.read(4)) == 4:
        order = orders.read(struct.unpack("<I", header)[0])
        _allow(seconds)
        body = _answer(order)
        answers.write(struct.pack("<I", len(body)) + body)
        answers.flush()


def _allow(seconds: float) -> None:
    """The kernel ends this process when the job has used so much more than was used until now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _answer(order: bytes) -> bytes:
    try:
        job, arguments = marshal.loads(order)  # noqa: S302 -- from the module that started this
        return marshal.dumps((True, JOBS[job](*arguments)))
    except MemoryError:
        return marshal.dumps((False, "the text needs too much memory"))
    except Exception as error:  # the text of an error may hold a prompt
        return marshal.dumps((False, f"broke: {type(error).__name__}"))


if __name__ == "__main__":
    main(float(sys.argv[1]))

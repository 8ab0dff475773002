"""Work on long texts, done in processes beside the module's, each job with a limit of processor time.

Normalising, matching and parsing hold the interpreter's lock for as long as they take: in a thread they would
stop the event loop as they do on it. Little work is done in place, because handing it over takes longer.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import structlog

from genvm_llm import text_jobs
from genvm_module import errors
from genvm_wire import calldata

WORKERS = 2
IN_PLACE = 4 * 1024
"""Characters or bytes: the slowest job on so many takes some ten milliseconds."""
JOB_SECONDS = 5.0
"""Of processor time; the slowest job within the module's bounds takes a tenth of it."""
PATIENCE = 60.0
"""Of any time: for a machine that stands still, or a worker that does."""
ANSWER_LIMIT = 64 * 1024 * 1024
WORKER = Path(__file__).with_name("text_worker.py")

log = structlog.get_logger(__name__)


class WorkFailed(Exception):
    """The job took too long, needed too much memory, or broke. The text names no value of it."""


class Workshop:
    """At most `workers` processes, started when there is work for them. Whoever makes one closes it."""

    def __init__(self, workers: int = WORKERS, seconds: float = JOB_SECONDS) -> None:
        self._slots = asyncio.Semaphore(workers)
        self._seconds = seconds
        self._idle: list[asyncio.subprocess.Process] = []
        self.handed_over = 0
        self.failed = 0

    async def do(self, job: str, *arguments: Any, size: int) -> Any:
        """What the function `job` of `text_jobs` makes of `arguments`, which hold `size` characters or bytes.

        Raises WorkFailed. Cancelling ends the work.
        """
        try:
            if size <= IN_PLACE:
                return _in_place(job, arguments)
            self.handed_over += 1
            async with self._worker() as worker:
                return await self._exchange(worker, marshal.dumps((job, arguments)))
        except WorkFailed as failure:
            self.failed += 1
            log.warning("text_job_failed", job=job, size=size, reason=str(failure))
            raise

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A process for one job; after anything but an answer its next word could be another job's."""
        async with self._slots:
            worker = self._idle.pop() if self._idle else await self._started()
            try:
                yield worker
            except BaseException:
                await _end(worker)
                raise
            self._idle.append(worker)

    async def _started(self) -> asyncio.subprocess.Process:
        places = dict.fromkeys(
            str(Path(found).parents[1]) for found in (__file__, errors.__file__, calldata.__file__)
        )
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-B",
            str(WORKER),
            f"{self._seconds:g}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONPATH": os.pathsep.join(places)},
            cwd="/",
        )

    async def _exchange(self, worker: asyncio.subprocess.Process, order: bytes) -> Any:
        assert worker.stdin is not None and worker.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                worker.stdin.write(struct.pack("<I", len(order)) + order)
                await worker.stdin.drain()
                length: int = struct.unpack("<I", await worker.stdout.readexactly(4))[0]
                if length > ANSWER_LIMIT:
                    raise WorkFailed("the text grew beyond all bounds")
                done, value = marshal.loads(await worker.stdout.readexactly(length))  # noqa: S302 -- our own
        except TimeoutError:
            raise WorkFailed(f"no answer within {PATIENCE:g} s") from None
        except (OSError, EOFError):
            raise WorkFailed(
                f"the text took more than {self._seconds:g} s of work, or too much memory"
            ) from None
        if not done:
            raise WorkFailed(value)
        return value

    async def close(self) -> None:
        while self._idle:
            await _end(self._idle.pop())


def _in_place(job: str, arguments: tuple[Any, ...]) -> Any:
    """Raises WorkFailed for whatever the job raises, as a worker does: whether an attempt failed or a whole
    prompt must not depend on how long a text is.
    """
    try:
        return text_jobs.JOBS[job](*arguments)
    except Exception as error:  # the text of an error may hold a prompt
        raise WorkFailed(f"broke: {type(error).__name__}") from None


async def _end(worker: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        worker.kill()
    await worker.wait()

"""Owned background tasks, and racing a piece of work against an order to stop it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")


class TaskOwner:
    """Starts named tasks, says at once when one fails, and ends them all, newest first.

    `patience`: seconds after which `aclose` names a task that does not end, and goes on waiting for it.
    """

    def __init__(self, name: str, *, patience: float = 5.0) -> None:
        self._name = name
        self._patience = patience
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a task of this owner."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}:{name}")
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def spawn_eternal(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """The same for work that goes on until this owner ends it: it is said when it returns by itself."""
        task = self.spawn(name, work)
        task.add_done_callback(_eternal_ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_failed", task=task.get_name(), exc_info=error)

    async def join(self) -> None:
        """Wait until every task has ended by itself."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def aclose(self) -> None:
        """Cancel what runs, newest first, and wait for each."""
        while self._tasks:
            task = next(reversed(self._tasks))
            task.cancel()
            _, stuck = await asyncio.wait([task], timeout=self._patience)
            if stuck:
                log.warning("task_does_not_end", task=task.get_name(), at=_place(task))
                await asyncio.wait([task])


def _eternal_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is None:
        log.error("eternal_task_ended", task=task.get_name())


def _place(task: asyncio.Task[Any]) -> str | None:
    """Where it waits."""
    frames = task.get_stack(limit=1)
    return f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else None


async def race(work: Coroutine[Any, Any, T], end: asyncio.Future[Any]) -> T | None:
    """The result of `work`, or None when `end` is done first; `work` is then cancelled and cleaned up.

    Work that completes in spite of a cancellation, its own or its caller's, wins: what it made would be lost
    otherwise. A cancelled caller gets it, and its cancellation at its next await.
    """
    task = asyncio.ensure_future(work)
    try:
        await first_done(task, end)
    except asyncio.CancelledError:
        await _stopped(task)
        return _in_spite(task)
    if task.done():
        return task.result()
    if await _stopped(task):
        return _in_spite(task)
    return None if task.cancelled() else task.result()


async def cut_short(work: Coroutine[Any, Any, T], end: asyncio.Future[Any]) -> T | None:
    """As `race`, for work that stops as soon as it is cancelled: it is done in the caller's own task.

    A task of its own would take several turns of the loop, however soon it were done.
    """
    if end.done():
        work.close()
        return None
    caller = asyncio.current_task()
    assert caller is not None
    before, over, ordered = caller.cancelling(), False, False

    def stop(_: asyncio.Future[Any]) -> None:
        nonlocal ordered
        # It may be on its way already when the work is done.
        if not over:
            ordered = caller.cancel()

    end.add_done_callback(stop)
    try:
        return await work
    except asyncio.CancelledError:
        if ordered and caller.cancelling() == before + 1:
            return None
        raise
    finally:
        over = True
        end.remove_done_callback(stop)
        if ordered:
            caller.uncancel()


async def _stopped(task: asyncio.Task[Any]) -> bool:
    """Cancel it and wait until it has cleaned up, however often the caller is cancelled; whether that was."""
    cancelled = False
    task.cancel()
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    return cancelled


def _in_spite(task: asyncio.Task[T]) -> T:
    """What a cancelled caller gets of work that completed all the same. Raises CancelledError without any."""
    if task.cancelled() or task.exception() is not None:
        raise asyncio.CancelledError
    _cancel_again()
    return task.result()


def _cancel_again() -> None:
    """Let the current task be cancelled at its next await; the count of its cancellations stays."""
    current = asyncio.current_task()
    assert current is not None
    current.uncancel()
    current.cancel()


async def finish(work: Coroutine[Any, Any, None], patience: float) -> None:
    """Run `work` to its end even when the caller is cancelled, for `patience` seconds more at most."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=patience)
        await cancel_and_wait(task)
        raise


def resolve(future: asyncio.Future[None]) -> None:
    """Let who waits for it go on; again it changes nothing."""
    if not future.done():
        future.set_result(None)


async def first_done(*futures: asyncio.Future[Any]) -> None:
    """Wait until one of `futures` is done; none of them is ever cancelled by this."""
    # What asyncio.wait does beside this costs as much again, and each run waits so a dozen times.
    if any(future.done() for future in futures):
        return
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Future[Any]) -> None:
        resolve(woken)

    for future in futures:
        future.add_done_callback(wake)
    try:
        await woken
    finally:
        for future in futures:
            future.remove_done_callback(wake)


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have cleaned up; their own outcomes stay with them.

    All are cancelled before the wait: a caller that is itself cancelled in it leaves none running.
    """
    for task in tasks:
        task.cancel()
    if waiting := [task for task in tasks if not task.done()]:
        await asyncio.wait(waiting)

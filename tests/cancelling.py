"""Acting on a task at its n-th await, for every n: what must be said whatever is cancelled is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Generator
from contextlib import asynccontextmanager
from typing import Any

Act = Callable[[asyncio.Task[Any]], object]


def cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


Work = Coroutine[Any, Any, Any] | Generator[Any, None, Any]


class _Stepped(Coroutine[Any, Any, Any]):
    """`work`, with `after_step` called whenever it has come to an await."""

    def __init__(self, work: Work, after_step: Callable[[], None]) -> None:
        self._work = work
        self._after_step = after_step

    def send(self, value: Any) -> Any:
        awaited = self._work.send(value)
        self._after_step()
        return awaited

    def throw(self, *error: Any) -> Any:
        awaited = self._work.throw(*error)
        self._after_step()
        return awaited

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from self._work.__await__() if isinstance(self._work, Coroutine) else self._work


class Moment:
    """The `number`-th await of all tasks that run one of the coroutines `names`; 0 is before a first step.

    `act` is done there, once. `reached` tells whether there was such a moment.
    """

    def __init__(self, names: Collection[str], number: int, act: Act = cancel) -> None:
        self._names, self._number, self._act = names, number, act
        self._seen = 0
        self.reached = False

    def factory(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        /,
        **details: Any,
    ) -> asyncio.Task[Any]:
        # Before Python 3.13 a task has no name yet here.
        if getattr(work, "__name__", "") not in self._names:
            return asyncio.Task(work, loop=loop, **details)
        task: asyncio.Task[Any]
        task = asyncio.Task(_Stepped(work, lambda: self._passed(task)), loop=loop, **details)
        if self._number == 0:
            self._strike(task)
        return task

    def _passed(self, task: asyncio.Task[Any]) -> None:
        self._seen += 1
        if self._seen == self._number:
            self._strike(task)

    def _strike(self, task: asyncio.Task[Any]) -> None:
        if not self.reached:
            self.reached = True
            self._act(task)


@asynccontextmanager
async def at(moment: Moment) -> AsyncIterator[Moment]:
    """Tasks made inside are watched for `moment`."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    loop.set_task_factory(moment.factory)
    try:
        yield moment
    finally:
        loop.set_task_factory(before)


async def at_every_await(
    names: Collection[str], scene: Callable[[Moment], Awaitable[None]], act: Act = cancel
) -> int:
    """Play `scene`, which uses `at`, once for each moment that there is; how many those were."""
    number = 0
    while True:
        moment = Moment(names, number, act)
        await scene(moment)
        if not moment.reached:
            return number
        number += 1

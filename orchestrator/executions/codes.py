"""Compiled code of contracts: handed to runs that ask for it, made by instances that get but a source.

An instance that ran a contract may say what it likes: from it comes a source and no code. Its SHA-256 is
taken here, and another instance, which has met no contract, compiles it and is gone. So whoever sends a
source can spoil that source's entry at worst, which only the contract with exactly that source is given, and
only where the same image runs it: what one image made no other one is told.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace

import structlog

from genvm_wire.instance_messages import MOST_SOURCE, Code, Compile, Compiled, Source, WantCode, from_instance
from orchestrator.clock import MACHINE_CLOCK, Ticks, timeout
from orchestrator.executions.persistence import persistently
from orchestrator.executions.times import DEFAULT_TIMES, Times
from orchestrator.runtime.port import (
    ChannelClosed,
    Instance,
    InstanceSpec,
    ProtocolBroken,
    Runtime,
    RuntimeFailure,
)
from orchestrator.store.codes import CodeFiles, KeptCode
from orchestrator.tasks import TaskOwner, cancel_and_wait, finish

log = structlog.get_logger(__name__)

MOST_IN_MEMORY = 16 * 1024 * 1024
MOST_WAITING = 16
"""Sources that wait to be compiled; one more is left to its next run."""
MOST_QUESTIONS, MOST_SOURCES = 64, 4
"""Of one run: more are not heard, and it compiles by itself."""
MOST_TRIES, MOST_FAILED = 2, 1024
"""Of a source with which its compiler ends each time: it is left to its runs. So many of them are known."""

BY_ITS_FAULT = (ChannelClosed, ProtocolBroken, TimeoutError)
"""Of the instance that compiled; else it is the engine's, or the disk's."""

Key = tuple[bytes, bytes]
"""Who compiled it (`_maker`), and SHA-256 of the source."""
Mark = tuple[str, bytes]
"""An image, and SHA-256 of a source."""


class Codes:
    """Of one manager. `runtime` starts the instances that compile: not a pool, whose instances are runs'.

    `tasks` has whatever is being compiled.
    """

    def __init__(
        self,
        files: CodeFiles,
        runtime: Runtime,
        tasks: TaskOwner,
        times: Times = DEFAULT_TIMES,
        clock: Ticks = MACHINE_CLOCK,
    ) -> None:
        self._times = times
        self._clock = clock
        self._files = files
        self._runtime = runtime
        self._memory: OrderedDict[Key, KeptCode] = OrderedDict()
        self._held = 0
        self._waiting: set[Mark] = set()
        self._failed: OrderedDict[Mark, int] = OrderedDict()
        self._turn = asyncio.Lock()
        self._tasks = tasks

    async def find(self, image: str, compiler: bytes, source: bytes) -> KeptCode | None:
        """What an instance of `image` made of the source with this SHA-256, if it has that compiler.

        None where nothing is kept.
        """
        key = (_maker(image, compiler), source)
        kept = self._memory.get(key)
        if kept is not None:
            self._memory.move_to_end(key)
            return kept
        kept = await asyncio.to_thread(self._files.read, *key)
        if kept is not None:
            self._remember(key, kept)
        return kept

    def offer(self, source: bytes, like: InstanceSpec) -> None:
        """Have a source compiled by an instance like this one, unless that is under way or too much is."""
        digest = hashlib.sha256(source).digest()
        mark = like.image, digest
        if len(source) > MOST_SOURCE or mark in self._waiting or len(self._waiting) >= MOST_WAITING:
            return
        if not like.image or self._failed.get(mark, 0) >= MOST_TRIES:
            # Of a run that was taken over nobody knows by what image it was started.
            return
        self._waiting.add(mark)
        self._tasks.spawn("compile-contract", self._compile(source, mark, like))

    async def collect(self) -> list[str]:
        """Remove what nobody has used for long; the names."""
        return await asyncio.to_thread(self._files.collect)

    async def _compile(self, source: bytes, mark: Mark, like: InstanceSpec) -> None:
        image, digest = mark
        try:
            async with self._turn:
                made = await self._made_apart(source, like)
            key, kept = (_maker(image, made.compiler), digest), KeptCode(made.code, made.fuel)
            self._remember(key, kept)
            await asyncio.to_thread(self._files.write, *key, kept)
        except (RuntimeFailure, TimeoutError, OSError) as failure:
            log.warning("contract_not_compiled", error=str(failure) or type(failure).__name__)
            if isinstance(failure, BY_ITS_FAULT):
                self._note_failure(mark)
        finally:
            self._waiting.discard(mark)

    def _note_failure(self, mark: Mark) -> None:
        self._failed[mark] = self._failed.pop(mark, 0) + 1
        while len(self._failed) > MOST_FAILED:
            self._failed.popitem(last=False)

    async def _made_apart(self, source: bytes, like: InstanceSpec) -> Compiled:
        """Raises RuntimeFailure, TimeoutError."""
        name = f"compile-{secrets.token_hex(4)}"
        spec = replace(like, name=name, execution_id=None, deadline=None, reuse=1)
        instance = await self._runtime.start(spec)
        try:
            instance.end_within(self._times.compiling)
            async with timeout(self._clock, self._times.compiling):
                await instance.control.send(Compile(source))
                said = await instance.control.receive(from_instance)
            if not isinstance(said, Compiled):
                raise ProtocolBroken(f"{said.kind!r} from an instance that was to compile")
            return said
        finally:
            await finish(_removed(instance), self._times.letting_go)

    def _remember(self, key: Key, kept: KeptCode) -> None:
        if (old := self._memory.pop(key, None)) is not None:
            self._held -= len(old.code)
        self._memory[key] = kept
        self._held += len(kept.code)
        while self._held > MOST_IN_MEMORY or len(self._memory) > MOST_IN_MEMORY // 4096:
            _, dropped = self._memory.popitem(last=False)
            self._held -= len(dropped.code)


def _maker(image: str, compiler: bytes) -> bytes:
    """Names a compiler as an image has it: which one it has, an image says itself."""
    return hashlib.sha256(image.encode() + b"\0" + compiler).digest()


async def collected(codes: Codes | None) -> list[str]:
    """What `collect` has removed, where there is anything to remove."""
    return [] if codes is None else await codes.collect()


async def _removed(instance: Instance) -> None:
    instance.hang_up()
    await persistently(instance.destroy, RuntimeFailure)


class CodeQuestions:
    """What one instance asks for and offers, for its run. It never keeps the instance from being read."""

    def __init__(self, codes: Codes | None, run: int, instance: Instance) -> None:
        self._codes, self._run, self._instance = codes, run, instance
        self._questions, self._sources = MOST_QUESTIONS, MOST_SOURCES
        self._task: asyncio.Task[None] | None = None

    def take(self, said: WantCode | Source) -> None:
        """Heed it, or not: what is not answered in time the instance does itself. Raises ProtocolBroken."""
        if said.run != self._run:
            raise ProtocolBroken("a question about code for another run")
        if self._codes is None:
            return
        if isinstance(said, Source):
            self._sources -= 1
            if self._sources >= 0:
                self._codes.offer(said.source, self._instance.spec)
            return
        self._questions -= 1
        if self._questions >= 0 and (self._task is None or self._task.done()):
            self._task = self._begin(self._answer(self._codes, said))

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"run-{self._run}:code")

    async def _answer(self, codes: Codes, said: WantCode) -> None:
        kept = await codes.find(self._instance.spec.image, said.compiler, said.source)
        code, fuel = (None, 0) if kept is None else (kept.code, kept.fuel)
        with suppress(ChannelClosed):
            await self._instance.control.send(Code(self._run, said.source, code, fuel))

    async def aclose(self) -> None:
        """End what still runs."""
        if self._task is not None:
            await cancel_and_wait(self._task)

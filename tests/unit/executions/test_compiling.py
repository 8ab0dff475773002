"""Who compiles gets the source and nothing else, and what a run says of code is not believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import pytest

from genvm_wire.instance_messages import (
    Code,
    Compile,
    Compiled,
    Ready,
    Result,
    Source,
    WantCode,
)
from genvm_wire.messages import Message
from orchestrator.executions.codes import MOST_SOURCES, MOST_TRIES, MOST_WAITING, CodeQuestions, Codes
from orchestrator.runtime.conversation import made_ready
from orchestrator.runtime.port import InstanceSpec, ProtocolBroken, Role, RuntimeFailure
from orchestrator.store.codes import CodeFiles, KeptCode
from orchestrator.tasks import TaskOwner
from tests.unit.executions.heart_stage import Channel, Engine, Started, turn
from tests.until import until

SOURCE, COMPILER = b"class C: ..." * 1000, b"c" * 32
DIGEST = sha256(SOURCE).digest()
MADE = Compiled(COMPILER, b"code", 9)
RUN = 5
SPEC = InstanceSpec(
    name="run-5", role=Role.EXECUTOR, image="executor:1", version="v0.2.1", execution_id=RUN, deadline=None,
    memory_bytes=1, cpus=1, pids=1, reuse=8,
)  # fmt: skip


@dataclass
class Compilers(Engine):
    """Instances that answer whatever they are told with `answer`, in turn; `heard` is what they were told."""

    answer: Message | None = field(default_factory=lambda: MADE)
    heard: list[Message] = field(default_factory=list)
    refusing: RuntimeFailure | None = None

    async def start(self, spec: InstanceSpec) -> Started:
        await turn()
        if self.refusing is not None:
            raise self.refusing
        self.started.append(Compiling(spec, self))
        return await made_ready(self.started[-1])


class Compiling(Started):
    def __init__(self, spec: InstanceSpec, engine: Compilers) -> None:
        super().__init__(spec, None, None)
        self.engine = engine

    async def _connected(self) -> Channel:
        return Talk(self, self.engine)


class Talk(Channel):
    def __init__(self, instance: Started, engine: Compilers) -> None:
        super().__init__(instance)
        self._engine = engine

    async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        await turn()
        self._engine.heard.append(message)
        self._frames.put_nowait(self._engine.answer)


@pytest.fixture
def files(tmp_path: Path) -> CodeFiles:
    return CodeFiles(tmp_path / "codes")


async def test_another_instance_compiles_it_once_and_is_gone(files: CodeFiles, tasks: TaskOwner) -> None:
    engine = Compilers()
    codes = Codes(files, engine, tasks)  # type: ignore[arg-type]
    assert await codes.find(SPEC.image, COMPILER, DIGEST) is None
    for _ in range(3):
        codes.offer(SOURCE, SPEC)
    await tasks.join()
    (compiler,) = engine.started
    assert (engine.heard, compiler.destroyed) == ([Compile(SOURCE)], 1)
    told = compiler.spec
    assert (told.execution_id, told.deadline, told.reuse, told.image) == (None, None, 1, SPEC.image)
    assert told.name.startswith("compile-")
    kept = KeptCode(b"code", 9)
    assert await codes.find(SPEC.image, COMPILER, DIGEST) == kept
    again = Codes(files, engine, tasks)  # type: ignore[arg-type]
    assert await again.find(SPEC.image, COMPILER, DIGEST) == kept


async def test_what_one_image_made_no_other_is_told(files: CodeFiles, tasks: TaskOwner) -> None:
    """Which compiler it has an image says itself: one could speak for another's."""
    codes = Codes(files, Compilers(), tasks)  # type: ignore[arg-type]
    codes.offer(SOURCE, replace(SPEC, image="hostile:1"))
    await tasks.join()
    assert await codes.find("hostile:1", COMPILER, DIGEST) is not None
    for image in (SPEC.image, "", "hostile:2"):
        assert await codes.find(image, COMPILER, DIGEST) is None


async def test_a_source_that_ends_its_compiler_each_time_is_left_to_its_runs(
    files: CodeFiles, tasks: TaskOwner
) -> None:
    engine = Compilers(answer=None)
    codes = Codes(files, engine, tasks)  # type: ignore[arg-type]
    for _ in range(MOST_TRIES + 3):
        codes.offer(SOURCE, SPEC)
        await tasks.join()
    assert len(engine.started) == MOST_TRIES
    codes.offer(SOURCE + b"another", SPEC)
    await tasks.join()
    assert len(engine.started) == MOST_TRIES + 1


@pytest.mark.parametrize("said", [Result(1, 0, b"\0\0", True, {}), Ready("again"), None])
async def test_what_says_anything_else_has_compiled_nothing(
    files: CodeFiles, tasks: TaskOwner, said: Message | None
) -> None:
    engine = Compilers(answer=said)
    codes = Codes(files, engine, tasks)  # type: ignore[arg-type]
    codes.offer(SOURCE, SPEC)
    await tasks.join()
    assert (engine.started[0].destroyed, await codes.find(SPEC.image, COMPILER, DIGEST)) == (1, None)
    engine.answer = MADE
    codes.offer(SOURCE, SPEC)
    await tasks.join()
    assert await codes.find(SPEC.image, COMPILER, DIGEST) is not None


async def test_an_engine_that_is_away_costs_nothing_but_the_code(files: CodeFiles, tasks: TaskOwner) -> None:
    engine = Compilers(refusing=RuntimeFailure("away"))
    codes = Codes(files, engine, tasks)  # type: ignore[arg-type]
    codes.offer(SOURCE, SPEC)
    await tasks.join()
    assert await codes.find(SPEC.image, COMPILER, DIGEST) is None


async def test_a_flood_of_sources_waits_in_a_short_queue(files: CodeFiles, tasks: TaskOwner) -> None:
    engine = Compilers()
    codes = Codes(files, engine, tasks)  # type: ignore[arg-type]
    for n in range(3 * MOST_WAITING):
        codes.offer(SOURCE + b"%d" % n, SPEC)
    codes.offer(SOURCE, replace(SPEC, image=""))
    await tasks.join()
    assert len(engine.started) == MOST_WAITING


async def test_one_that_compiles_ends_with_its_manager(files: CodeFiles, tasks: TaskOwner) -> None:
    engine = Compilers()
    codes = Codes(files, engine, tasks)  # type: ignore[arg-type]
    codes.offer(SOURCE, SPEC)
    await until(lambda: engine.started)
    await tasks.aclose()
    assert [one.destroyed for one in engine.started] in ([1], [0])
    assert len(engine.heard) <= 1


@pytest.fixture
async def tasks() -> AsyncIterator[TaskOwner]:
    owner = TaskOwner("codes")
    yield owner
    await owner.aclose()


class Asking(Started):
    """An instance with a run; `heard` is what its manager answers."""

    def __init__(self) -> None:
        super().__init__(SPEC, None, None)
        self.heard: list[Message] = []
        self.listens = asyncio.Event()
        self.listens.set()

    async def _connected(self) -> Channel:
        instance = self

        class Heard(Channel):
            async def send(self, message: Message, fds: Sequence[int] = ()) -> None:
                await instance.listens.wait()
                instance.heard.append(message)

        return Heard(self)


class Offered(Codes):
    """Knows one code."""

    def __init__(self) -> None:
        self.offered: list[bytes] = []

    async def find(self, image: str, compiler: bytes, source: bytes) -> KeptCode | None:
        await turn()
        known = (image, compiler, source) == (SPEC.image, COMPILER, DIGEST)
        return KeptCode(b"code", 9) if known else None

    def offer(self, source: bytes, like: InstanceSpec) -> None:
        self.offered.append(source)


async def asking() -> Asking:
    instance = Asking()
    await made_ready(instance)
    return instance


async def test_a_question_is_answered_and_another_runs_is_none() -> None:
    instance, codes = await asking(), Offered()
    questions = CodeQuestions(codes, RUN, instance)
    questions.take(WantCode(RUN, COMPILER, DIGEST))
    await until(lambda: instance.heard)
    questions.take(WantCode(RUN, COMPILER, b"?" * 32))
    await until(lambda: len(instance.heard) == 2)
    assert instance.heard == [Code(RUN, DIGEST, b"code", 9), Code(RUN, b"?" * 32, None, 0)]
    for said in (WantCode(RUN + 1, COMPILER, DIGEST), Source(RUN + 1, SOURCE)):
        with pytest.raises(ProtocolBroken):
            questions.take(said)
    await questions.aclose()


async def test_one_that_asks_and_offers_without_end_is_heard_a_few_times() -> None:
    instance, codes = await asking(), Offered()
    questions = CodeQuestions(codes, RUN, instance)
    instance.listens.clear()
    for _ in range(1000):
        questions.take(WantCode(RUN, COMPILER, DIGEST))
        questions.take(Source(RUN, SOURCE))
    await turn()
    instance.listens.set()
    await until(lambda: instance.heard)
    assert (len(instance.heard), len(codes.offered)) == (1, MOST_SOURCES)
    await questions.aclose()


async def test_a_manager_without_code_says_nothing() -> None:
    instance = await asking()
    questions = CodeQuestions(None, RUN, instance)
    questions.take(WantCode(RUN, COMPILER, DIGEST))
    questions.take(Source(RUN, SOURCE))
    await turn()
    assert instance.heard == []
    await questions.aclose()

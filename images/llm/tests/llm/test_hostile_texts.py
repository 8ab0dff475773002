"""Texts made to cost time or memory: whatever contracts and providers write, the module goes on answering."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genvm_llm import filters
from genvm_llm.configuration import read_config
from genvm_llm.json_text import MOST_VALUES, NotAnObject, parse_object
from genvm_llm.workshop import IN_PLACE, WorkFailed, Workshop
from genvm_module.contract import ConfigurationRefused
from genvm_module.errors import ModuleError
from genvm_wire.module_messages import Configured
from tests.until import turn_until

from .control_channel import Manager
from .provider_server import openai_reply, raw
from .provider_server import provider as providing
from .talk import backend, talking

MARKS = "\u0301\u0316"
LIMIT = 256 * 1024
STALL = 0.25
MARK_ROWS = st.lists(
    st.sampled_from(
        [
            "a",
            "\u00e9",
            "\u1e69",
            "\u0301",
            "\u0316",
            "\u0344",
            "\u0f77",
            "\uff9e",
            "\u3099",
            "\uac00",
            "\u034f",
        ]
    ),
    max_size=200,
).map("".join)


def rows(text: str) -> list[int]:
    """How long the rows of combining marks are once the text is decomposed."""
    found, row = [], 0
    for char in unicodedata.normalize("NFKD", text):
        row = row + 1 if unicodedata.combining(char) else 0
        found.append(row)
    return found


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain", "plain"),
        ("a" + "\u0301" * 30, "a" + "\u0301" * 30),
        ("a" + "\u0301" * 31, "a" + "\u0301" * 30 + "\u034f" + "\u0301"),
        ("\u00e9" + "\u0301" * 30, "\u00e9" + "\u0301" * 29 + "\u034f" + "\u0301"),
        ("a" + "\u0301" * 29 + "\u0344", "a" + "\u0301" * 29 + "\u034f" + "\u0344"),
        ("a" + "\u0301" * 30 + "b" + "\u0301" * 30, "a" + "\u0301" * 30 + "b" + "\u0301" * 30),
    ],
)
def test_a_row_of_marks_is_broken_after_thirty(text: str, safe: str) -> None:
    assert filters.stream_safe(text) == safe


@given(MARK_ROWS)
def test_no_row_of_marks_is_longer_than_thirty_and_nothing_else_changes(text: str) -> None:
    safe = filters.stream_safe(text)
    assert max(rows(safe), default=0) <= 30
    assert filters.stream_safe(safe) == safe
    assert safe == text or max(rows(text)) > 30
    assert safe.replace("\u034f", "") == text.replace("\u034f", "")


def test_ordinary_writing_is_left_alone() -> None:
    for text in ("Grüße, Ñandú", "Việt Nam", "नमस्ते दुनिया", "ภาษาไทย", "שָׁלוֹם", "한국어", "👩‍👩‍👧‍👦"):
        assert filters.stream_safe(text) == text


@pytest.mark.parametrize("text", ["[" + "1," * MOST_VALUES + "1]", ",".join(["{}"] * MOST_VALUES)])
def test_an_answer_of_too_many_values_is_none(text: str) -> None:
    with pytest.raises(NotAnObject):
        parse_object(f'{{"a": [{text}]}}')


async def test_a_prompt_is_bounded_before_its_filters() -> None:
    async with providing() as provider, talking(backend(provider.url)) as talk:
        assert await talk.prompt("a" * LIMIT) == "4"
        for text in ("a" * (LIMIT + 1), "é" * (LIMIT // 2 + 1)):
            with pytest.raises(ModuleError) as refused:
                await talk.prompt(text)
            assert (refused.value.causes, refused.value.fatal) == (["PROMPT_TOO_LARGE"], True)
        with pytest.raises(ModuleError, match="PROMPT_TOO_LARGE"):
            await talk.compare("a" * (LIMIT // 2), "b" * (LIMIT // 2), "p")
        assert len(provider.received) == 1


async def test_a_prompt_is_bounded_behind_its_filters_too() -> None:
    longer = "\ufdfa" * (LIMIT // 33 + 1)
    async with providing() as provider, talking(backend(provider.url)) as talk:
        assert await talk.prompt(longer[:-1]) == "4"
        with pytest.raises(ModuleError, match="PROMPT_TOO_LARGE"):
            await talk.prompt(longer)
        with pytest.raises(ModuleError, match="PROMPT_TOO_LARGE"):
            await talk.template("EqNonComparativeLeader", task="t", criteria="c", input=longer)
        assert len(provider.received) == 1


async def test_the_bound_is_the_operators() -> None:
    async with providing() as provider, talking(backend(provider.url), max_prompt_bytes=10) as talk:
        assert await talk.prompt("a" * 10) == "4"
        with pytest.raises(ModuleError, match="PROMPT_TOO_LARGE"):
            await talk.prompt("a" * 11)


@pytest.mark.parametrize("bad", [0, "10", True, 1 << 30])
def test_a_bound_that_is_none_is_refused(bad: object) -> None:
    with pytest.raises(ConfigurationRefused, match="max_prompt_bytes"):
        read_config({"max_prompt_bytes": bad}, allow_empty_backends=True)


@asynccontextmanager
async def workshop(seconds: float = 60.0) -> AsyncIterator[Workshop]:
    made = Workshop(workers=1, seconds=seconds)
    try:
        yield made
    finally:
        await made.close()


async def test_long_texts_are_worked_on_elsewhere_with_the_same_outcome() -> None:
    text = "Ｈｅｌｌｏ\u200b  wörld\t\n" * 1000
    async with workshop() as shop:
        order = {"a": text, "b": "short"}
        done = await shop.do("filtered", order, filters.PROMPT_FILTERS, size=len(text))
        assert done == {key: filters.apply(one, filters.PROMPT_FILTERS) for key, one in order.items()}
        assert shop.handed_over == 1
        await shop.do("filtered", {"a": "short"}, filters.PROMPT_FILTERS, size=5)
        assert shop.handed_over == 1


async def test_work_that_takes_too_long_is_ended_and_the_next_is_done() -> None:
    async with workshop(seconds=0.0) as shop:
        with pytest.raises(WorkFailed, match="too much memory"):
            await shop.do("filtered", {"a": "ab " * 3_000_000}, ("RmZeroWidth",) * 50, size=9_000_000)
        assert await shop.do("filtered", {"a": "ｂ"}, ("NFKC",), size=IN_PLACE + 1) == {"a": "b"}
        assert shop.failed == 1


async def test_work_that_needs_too_much_memory_is_refused_and_the_next_is_done() -> None:
    async with workshop() as shop:
        body = b"[" + b"[]," * 4_000_000 + b"[]]"
        with pytest.raises(WorkFailed, match="memory"):
            await shop.do("read_reply", body, "openai-compatible", "text", "", size=len(body))
        assert await shop.do("filtered", {"a": "ｂ"}, ("NFKC",), size=IN_PLACE + 1) == {"a": "b"}


@pytest.mark.parametrize("size", [1, IN_PLACE + 1], ids=["in place", "elsewhere"])
async def test_work_that_breaks_fails_alike_wherever_it_is_done(size: int) -> None:
    async with workshop() as shop:
        with pytest.raises(WorkFailed, match="broke: KeyError"):
            await shop.do("filtered", {"a": "b"}, ("no such filter",), size=size)
        assert shop.failed == 1


async def test_cancelled_work_is_ended_and_gives_nobody_its_outcome() -> None:
    async with workshop() as shop:
        working = asyncio.create_task(
            shop.do("filtered", {"a": "ab " * 3_000_000}, ("RmZeroWidth",) * 50, size=9_000_000)
        )
        await turn_until(lambda: shop.handed_over)
        working.cancel()
        await asyncio.wait([working])
        assert await shop.do("filtered", {"a": "ｂ"}, ("NFKC",), size=IN_PLACE + 1) == {"a": "b"}


@pytest.mark.parametrize("form", ["text", "json"])
async def test_an_answer_that_is_too_long_is_a_failed_attempt(form: str) -> None:
    async with (
        providing(openai_reply(json.dumps({"a": "x" * 1024 * 1024}))) as wordy,
        providing(openai_reply('{"a": 1}')) as good,
        talking(backend(wordy.url, priority=1), backend(good.url)) as talk,
    ):
        assert json.loads(await talk.prompt(form=form)) == {"a": 1}


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_reply_that_takes_too_much_work_is_a_failed_attempt(form: str) -> None:
    body = b'{"choices": [' + b"[]," * 4_000_000 + b"[]]}"
    async with (
        providing(raw(body)) as hostile,
        providing(openai_reply('{"a": 1}')) as good,
        talking(backend(hostile.url, priority=1), backend(good.url)) as talk,
    ):
        assert json.loads(await talk.prompt(form=form)) == {"a": 1}


# --- a module's process under attack, and its pings

HOSTILE_PROMPTS = [
    "a" + MARKS * 40_000,
    "\uac00" + "\u0344" * 80_000,
    "\ufdfa" * 80_000,
    " \n" * 100_000,
    "{" * 200_000,
    "\u1112\u1161\u11ab" * 29_000,
]


def huge(form: str) -> Any:
    """Replies that cost the most for their size."""
    texts = {
        "members": "{" + ",".join(f'"{index}":{index}' for index in range(300_000)) + "}",
        "escapes": '{"a":"' + "\\ud83d" * 1_000_000 + '"}',
        "digits": '{"a":0.' + "1" * 4_000_000 + "}",
        "brackets": '{"a":' * 1_000_000,
        "long": '{"a":"' + "x" * 8_000_000 + '"}',
    }
    return openai_reply(texts[form])


@pytest.fixture
def place() -> Iterator[Path]:
    with TemporaryDirectory(prefix="llm") as directory:
        yield Path(directory)


@asynccontextmanager
async def module(place: Path, *urls: str) -> AsyncIterator[Manager]:
    """The real program, as its image starts it, configured."""
    manager = Manager(place / "control.sock")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "genvm_llm",
        env={**os.environ, "GENVM_CONTROL": str(manager.path)},
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await manager.accept()
        backends: Any = {f"b{index}": backend(url) for index, url in enumerate(urls)}
        assert isinstance(await manager.configure(1, {"backends": backends}), Configured)
        yield manager
    finally:
        process.kill()
        await process.wait()
        manager.close()


async def pong(manager: Manager, sequence: int) -> float:
    began = time.monotonic()
    await manager.ping(sequence)
    return time.monotonic() - began


async def slowest_pong(manager: Manager, idle: Manager, until: asyncio.Future[Any]) -> float:
    """Seconds, over what the machine made a module wait that has nothing to do."""
    attacked, control, sequence = 0.0, 0.0, 0
    while not until.done():
        sequence += 1
        took = await asyncio.gather(pong(manager, sequence), pong(idle, sequence))
        attacked, control = max(attacked, took[0]), max(control, took[1])
        await asyncio.sleep(0.01)
    return attacked - control


async def attacked(place: Path, replies: list[Any], prompts: list[str], form: str) -> float:
    (place / "idle").mkdir()
    async with (
        providing(*replies) as provider,
        module(place, provider.url) as manager,
        module(place / "idle", provider.url) as idle,
    ):
        asking = asyncio.gather(*(manager.ask(run, prompt, form) for run, prompt in enumerate(prompts, 1)))
        worst = await slowest_pong(manager, idle, asking)
        assert all(set(answer) in ({"Ok"}, {"FatalError"}, {"UserError"}) for answer in await asking)
        return worst


async def tried(place: Path, replies: list[Any], prompts: list[str], form: str = "text") -> None:
    """One good round of several is enough: a machine that stands still is no fault of the module's."""
    seen = []
    for number in range(5):
        folder = place / str(number)
        folder.mkdir()
        seen.append(await attacked(folder, replies, prompts, form))
        if seen[-1] < STALL:
            return
    pytest.fail(f"pings waited {seen} s")


async def test_pings_are_answered_whatever_prompts_are_filtered(place: Path) -> None:
    await tried(place, [openai_reply()], HOSTILE_PROMPTS)


@pytest.mark.parametrize("form", ["members", "escapes", "digits", "brackets", "long"])
async def test_pings_are_answered_whatever_a_provider_replies(place: Path, form: str) -> None:
    await tried(place, [huge(form)], ["?"] * 3, "json")

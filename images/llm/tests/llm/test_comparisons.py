"""No leader keeps validators from voting by the length of its answer (docs/llm.md)."""

from __future__ import annotations

import pytest

from genvm_llm.comparisons import BeyondComparison, check_proportion
from genvm_module.errors import ModuleError

from .provider_server import openai_reply, provider
from .talk import backend, talking

LIMIT = 16 * 1024
YES = openai_reply('{"result": true}')
LENGTHS = {
    "short": (10, 10, False),
    "at the limit": (LIMIT, 10, False),
    "beyond": (LIMIT + 1, 10, True),
    "beyond, like ours": (LIMIT + 1, LIMIT, False),
    "four times ours": (4 * LIMIT + 4, LIMIT, False),
    "more than that": (4 * LIMIT + 5, LIMIT, True),
    "more than a prompt may have": (10**6, 10, True),
}


@pytest.mark.parametrize(("leaders", "ours", "beyond"), LENGTHS.values(), ids=LENGTHS)
async def test_an_answer_out_of_all_proportion_is_not_equivalent_and_no_model_is_asked(
    leaders: int, ours: int, beyond: bool
) -> None:
    async with provider(YES) as server, talking(backend(server.url)) as talk:
        assert await talk.compare("x" * leaders, "y" * ours, "p") is not beyond
        assert len(server.received) == (not beyond)


async def test_the_same_holds_for_an_output_that_is_checked() -> None:
    async with provider(YES) as server, talking(backend(server.url), max_comparison_bytes=100) as talk:
        values = {"task": "t", "criteria": "c", "input": "i"}
        assert await talk.template("EqNonComparativeValidator", output="x" * 101, **values) is False
        assert await talk.template("EqNonComparativeValidator", output="x" * 100, **values) is True
        assert len(server.received) == 1


async def test_too_much_of_a_contracts_own_stays_fatal() -> None:
    async with provider(YES) as server, talking(backend(server.url), max_prompt_bytes=1000) as talk:
        with pytest.raises(ModuleError, match="PROMPT_TOO_LARGE"):
            await talk.compare("x" * 600, "y" * 600, "p")


LONGER_AFTER = "\ufdfa"
"""Three bytes that NFKC makes thirty-three of."""


async def test_what_filters_make_longer_is_measured_behind_them_too() -> None:
    async with provider(YES) as server, talking(backend(server.url)) as talk:
        assert await talk.compare(LONGER_AFTER * (LIMIT // 3), "yes", "p") is False
        assert await talk.compare(LONGER_AFTER * (LIMIT // 33), "yes", "p") is True
        assert len(server.received) == 1


async def test_what_filters_make_shorter_is_measured_before_them_too() -> None:
    """Or a leader could have every validator filter as much as a prompt may hold."""
    async with provider(YES) as server, talking(backend(server.url)) as talk:
        assert await talk.compare("yes" + "\u200b" * LIMIT, "yes", "p") is False
        assert not server.received


def test_bytes_count_and_not_characters() -> None:
    values = {"leader_answer": "ä" * 60, "validator_answer": "", "principle": ""}
    with pytest.raises(BeyondComparison):
        check_proportion("EqComparative", values, 100)


def test_nothing_else_is_a_comparison() -> None:
    check_proportion("EqNonComparativeLeader", {"task": "", "criteria": "", "input": "x" * 999}, 10)

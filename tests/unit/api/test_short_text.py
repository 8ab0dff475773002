"""No text of a refusal is longer than anybody reads, whatever it quotes."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator

from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.errors import error_response
from orchestrator.api.llm_check import CheckConfig, PromptCheck
from orchestrator.api.short_text import LONGEST, short
from orchestrator.api.socket.frames import ErrorCode, RequestFailed, error

LONG = "\x01" * (1 << 20)
CONFIG = CheckConfig(host="http://h", provider="ollama", model="m", key="k")


def repeating(value: Any) -> Any:
    raise ValueError(f"not {value}")


class Repeating(BaseModel):
    one: Annotated[str, BeforeValidator(repeating)]


@given(st.text(max_size=3 * LONGEST))
def test_what_is_short_stays_and_the_rest_is_its_beginning(text: str) -> None:
    cut = short(text)
    assert len(cut) <= LONGEST
    assert cut == text or (len(text) > LONGEST and text.startswith(cut[:-1]) and cut[-1] == "…")


def of_an_answer() -> str:
    body = error_response(LONG, 400).body
    assert isinstance(body, bytes)
    return str(json.loads(body)["error"])


def of_a_check() -> str:
    return str(json.loads(PromptCheck(0, CONFIG, 0, {}).answer(None, LONG))["error"])


def of_a_shape() -> str:
    with pytest.raises(WrongShape) as caught:
        shaped(Repeating, {"one": LONG})
    return str(caught.value)


@pytest.mark.parametrize("told", [of_an_answer, of_a_check, of_a_shape])
def test_no_answer_says_more(told: Any) -> None:
    text = told()
    assert LONGEST <= len(text) < LONGEST + 100
    assert "\x01\x01" in text


def test_no_error_frame_says_more() -> None:
    assert len(error(7, RequestFailed(ErrorCode.INTERNAL, LONG))) < LONGEST + 100

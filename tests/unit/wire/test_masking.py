"""Secrets too long for every character's own spelling are found as programs write them as a whole."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from genvm_wire.masking import LONGEST_SPELT, MASK, Mask

SECRET = '-----BEGIN "KEY"-----\n' + "0123456789abcdé/+ \n" * (LONGEST_SPELT // 8) + "-----END-----\n"
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": lambda text: json.dumps(text)[1:-1],
    "in JSON with its letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "in a URL": lambda text: quote(text, safe=""),
    "in a form": quote_plus,
    "as digits": lambda text: text.encode().hex(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_long_one_is_masked(spelling: str) -> None:
    assert Mask([SECRET]).text(f"you sent {SPELLINGS[spelling](SECRET)}!") == f"you sent {MASK}!"


def test_nothing_of_a_long_one_is_left_of_its_base64_but_what_its_neighbours_share() -> None:
    packed = base64.b64encode(f"x{SECRET}y".encode()).decode()
    assert len(Mask([SECRET]).text(packed)) <= len(MASK) + 8

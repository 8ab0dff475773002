"""A run's result as people read it: whatever bytes it is, and never more than a page shows."""

from __future__ import annotations

import pytest

from genvm_wire.calldata import encode
from orchestrator.views.result import LONGEST, SHOWN, of_result

CASES = {
    "nothing": (None, None),
    "no byte": (b"", None),
    "a value": (b"\0" + encode({"a": [1, "b"]}), ("Return", '{"a":[1,"b"]}', None)),
    "an error's text": (b"\1" + encode("why"), ("UserError", '"why"', None)),
    "no calldata": (b"\2\xff", ("VmError", "ff", "it cannot be decoded")),
    "an unknown kind": (b"\x63abc", ("unknown", "63616263", "its first byte")),
    "too much": (b"\0" + bytes(LONGEST), ("Return", "00" * 256 + "…", "it has more than")),
}


@pytest.mark.parametrize("case", CASES)
def test_a_result_is_told_as_text(case: str) -> None:
    result, wanted = CASES[case]
    told = of_result(result)
    if wanted is None or told is None:
        assert told is None is wanted
        return
    kind, text, trouble = wanted
    assert (told["kind"], told["text"].replace(" ", "")) == (kind, text)
    assert (told["trouble"] or "").startswith(trouble or "")


def test_a_long_text_is_cut() -> None:
    told = of_result(b"\0" + encode("x" * (2 * SHOWN)))
    assert told is not None
    assert SHOWN <= len(told["text"]) <= SHOWN + 3

"""What a JSON prompt's answer is for contracts of each line (modules 1.8 and correction 7)."""

from __future__ import annotations

from typing import Any

import pytest

from genvm_executor.lines import LINES
from genvm_executor.modules.client import data_for
from genvm_wire.calldata import Value
from genvm_wire.module_requests import AnswerMalformed

JSON: dict[str, Value] = {"response_format": "json"}
TEXT = '{"whole": 3, "part": 0.50, "deep": [1.25, {"x": -2e-3}]}'
AS_TEXT = {"whole": 3, "part": "0.50", "deep": ["1.25", {"x": "-2e-3"}]}


@pytest.mark.parametrize(("line", "read"), [("v0.2", AS_TEXT), ("v0.3", TEXT)])
def test_fractions_are_text_for_the_first_line_and_the_document_is_for_later_ones(
    line: str, read: Any
) -> None:
    assert data_for("ExecPrompt", JSON, TEXT, LINES[line]) == read


@pytest.mark.parametrize(
    ("line", "data"), [("v0.2", True), ("v0.2", "[1]"), ("v0.3", {"a": 1}), ("v0.3", True)]
)
def test_what_a_line_cannot_read_is_no_answer(line: str, data: Any) -> None:
    with pytest.raises(AnswerMalformed):
        data_for("ExecPrompt", JSON, data, LINES[line])

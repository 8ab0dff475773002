"""Which annotations `check` calls text."""

from __future__ import annotations

import pytest

from orchestrator.checking.text_annotations import text_annotations


@pytest.mark.parametrize(
    ("annotation", "is_text"),
    [
        ("'int'", True),
        ("typing.Optional['int']", True),
        ("dict[str, list['Part']]", True),
        ("list['Part'] | None", True),
        ("typing.Annotated['int', 1]", True),
        ("list[int]", False),
        ("typing.Literal['a', 'b']", False),
        ("typing.Annotated[int, 'note']", False),
    ],
)
def test_text_is_found_within_generic_types(annotation: str, is_text: bool) -> None:
    code = f"class C:\n    @gl.public.view\n    def m(self, a: {annotation}):\n        pass\n"
    assert [problem.line for problem in text_annotations(code.encode())] == ([3] if is_text else [])

"""What an unsigned integer is, as a value and as text."""

from __future__ import annotations

import pytest

from genvm_wire.unsigned import U64_MAX, U256_MAX, is_unsigned, unsigned_of


@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (0, True),
        (U64_MAX, True),
        (U64_MAX + 1, False),
        (-1, False),
        (True, False),
        (False, False),
        (1.0, False),
        ("1", False),
        (None, False),
    ],
)
def test_a_value(value: object, is_one: bool) -> None:
    assert is_unsigned(value, U64_MAX) is is_one


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("7", 7), ("007", 7), (str(U64_MAX), U64_MAX), (str(U64_MAX + 1), None), ("0" * 21, None),
        ("", None), ("-1", None), ("+5", None), (" 5", None), ("1_0", None), ("1.0", None), ("0x1", None),
        ("\u0665", None), ("\u00b2", None),
    ],
)  # fmt: skip
def test_a_text(text: str, number: int | None) -> None:
    assert unsigned_of(text, U64_MAX) == number


def test_a_text_of_the_largest_kind() -> None:
    assert unsigned_of(str(U256_MAX), U256_MAX) == U256_MAX
    assert unsigned_of(str(U256_MAX + 1), U256_MAX) is None

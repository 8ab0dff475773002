"""Code is kept only where nobody can tell that it was: sets come back in another order."""

from __future__ import annotations

import marshal

import pytest
from _kept_code import kept_code

PATH = "/contract.py"
# Numbers, whose places in a set are the same everywhere; these meet in one.
MET = "{8, 0, 16}"


@pytest.mark.parametrize(
    "source",
    [
        f"for x in {MET}: pass",
        f"def f():\n    return [x for x in {MET}]",
        f"class C:\n    def f(self):\n        return [x in {MET} for x in {MET}]",
        f"f = lambda y: y in {MET} or [*(x for x in {MET})]",
        f"s = {MET}",
    ],
)
def test_a_set_that_is_gone_through_in_an_order_that_is_not_kept(source: str) -> None:
    assert kept_code(source.encode(), PATH) == b""


@pytest.mark.parametrize(
    "source",
    [
        "for x in {0, 8, 16}: pass",
        "for x in {7}: pass",
        "for x in (8, 0, 16): pass",
        "for x in [8, 0, 16]: pass",
        f"def f(y):\n    return y in {MET} and y not in {MET}",
    ],
)
def test_everything_else_is_kept_and_does_the_same(source: str) -> None:
    made = compile(source, PATH, "exec", dont_inherit=True)
    kept = marshal.loads(kept_code(source.encode(), PATH))
    assert (kept, kept.co_filename) == (made, PATH)


def test_a_constant_with_a_number_beyond_a_byte_is_found() -> None:
    source = "\n".join(f"x{n} = {n}.5" for n in range(300)) + f"\nfor x in {MET}: pass\n"
    assert kept_code(source.encode(), PATH) == b""
    assert kept_code(source.replace(f"for x in {MET}: pass", f"y = x1 in {MET}").encode(), PATH) != b""

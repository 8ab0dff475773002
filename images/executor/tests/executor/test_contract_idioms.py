"""Idioms of published contracts: the standard library and the language as contracts use them.

`idioms.txt` holds one per paragraph: a name, what stands before the class, the method's body, and the value.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from genvm_wire.calldata import Encodable

from .chain import Chain, Failed, idiom

IDIOMS = [
    part.split("\n---\n") for part in Path(__file__).with_name("idioms.txt").read_text().split("=== ")[1:]
]
ARGUMENTS: list[Encodable] = [{"kind": "a", "n": 5}, ["a", "b"], "s", 5]


@pytest.mark.parametrize(
    ("head", "body", "value"),
    [pytest.param(*parts, id=parts[0].partition("\n")[0]) for parts in IDIOMS],
)
def test_an_idiom_works(chain: Chain, head: str, body: str, value: str) -> None:
    chain.deploy(idiom(head.partition("\n")[2], body))
    try:
        assert chain.call("go", *ARGUMENTS) == eval(value)
    except Failed as failed:
        pytest.fail(str(failed))

"""Both generations of the library in containers, out of the box: a manager of the built-in manifest."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.chain import Chain, source

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


async def test_a_contract_of_the_second_generation_is_served_by_its_line(chain: Chain) -> None:
    poll = await chain.deploy((EXAMPLES / "ballot.py").read_bytes(), "Tea?", ["yes", "no"])
    assert await chain.call(poll, "vote", 1) == 1
    assert await chain.refused(poll, "vote", 1) == {"code": "voted", "choice": 1}
    assert await chain.view(poll, "result") == {"yes": 0, "no": 1}


async def test_a_call_across_the_lines_has_a_container_of_its_own(chain: Chain) -> None:
    old = await chain.deploy(source("first_line.py"))
    new = await chain.deploy(source("later_line.py"))
    seen = {"to": "x", "stack": 1, "seen": 0}
    assert await chain.call(old, "pass_on", new, "hello", "x") == {"from": "new", **seen}
    assert await chain.view(old, "ask", new, 2) == [2, [1, [0, "old"]]]

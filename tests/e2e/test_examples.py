"""The contracts that the README shows, through a manager in a process of its own."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest
import wasmtime

from orchestrator.store.codes import DIRECTORY as CODES
from tests.e2e.chain import ALICE, BOB, CAROL, Chain
from tests.e2e.manager_process import ManagerProcess
from tests.until import until_told

SMALL = b"""from genlayer import *
class Small(gl.Contract):
    x: u8
    def __init__(self):
        self.x = u8(1)
"""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


async def test_the_counter_counts_and_remembers(chain: Chain) -> None:
    counter = await chain.deploy((EXAMPLES / "counter.py").read_bytes(), 5)
    assert await chain.call(counter, "add", 3, sender=BOB) == 8
    assert await chain.call(counter, "add") == 9
    assert await chain.refused(counter, "add", -1, sender=BOB) == "a counter never goes down"
    assert await chain.view(counter, "summary") == {
        "value": 9,
        "last": ALICE,
        "history": [3, 1],
    }


async def test_the_ledger_moves_what_is_owned_and_allowed(chain: Chain) -> None:
    ledger = await chain.deploy((EXAMPLES / "ledger.py").read_bytes(), "Gold", 100)
    await chain.call(ledger, "transfer", BOB, 30, note="rent")
    assert await chain.refused(ledger, "transfer", CAROL, 31, sender=BOB) == "insufficient balance: 30 < 31"
    await chain.call(ledger, "approve", CAROL, 12, sender=BOB)
    await chain.call(ledger, "transfer_from", BOB, CAROL, 10, sender=CAROL)
    assert await chain.refused(ledger, "transfer_from", BOB, CAROL, 3, sender=CAROL) == "allowance exceeded"
    assert await chain.view(ledger, "allowance", BOB, CAROL) == 2
    assert [await chain.view(ledger, "balance_of", owner) for owner in (ALICE, BOB, CAROL)] == [70, 20, 10]


async def test_a_large_contract_is_compiled_by_a_container_of_its_own(
    chain: Chain, manager: ManagerProcess
) -> None:
    """It gets a source and has nobody's run; what it made is there for the runs to come."""
    padding = "".join(f"    def part_{n}(self, given):\n        return given - {n}\n" for n in range(250))
    code = (EXAMPLES / "counter.py").read_bytes() + padding.encode()
    counter = await chain.deploy(code, 5)
    mark, kept = sha256(code).digest(), manager.state_dir / CODES
    await until_told(
        lambda: asyncio.to_thread(lambda: any(mark in one.read_bytes() for one in kept.glob("code-*")))
    )
    assert await chain.call(counter, "add", 3, sender=BOB) == 8
    assert await chain.view(counter, "summary") == {"value": 8, "last": BOB, "history": [3]}


async def test_a_webassembly_contract_counts_in_raw_storage(chain: Chain) -> None:
    code = bytes(wasmtime.wat2wasm((EXAMPLES / "tally.wat").read_text()))
    tally = await chain.deploy(code)
    assert [await chain.call(tally, "anything") for _ in range(2)] == [2, 3]
    assert await chain.view(tally, "anything") == 4
    assert await chain.call(tally, "anything") == 4


@pytest.mark.parametrize(
    ("header", "kind", "data"),
    [
        ("", "VmError", "invalid_contract absent_runner_comment"),
        (
            'import os\n# { "Depends": "py-genlayer:test" }\n',
            "VmError",
            "invalid_contract absent_runner_comment",
        ),
        ('# { "Depends": "py-genlayer:test" }\n', "Return", None),
        ('# { "Depends": "py-genlayer:latest" }\n', "Return", None),
        ('#{"Depends":"py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6"}\n', "Return", None),
        ('# v0.1.0\n# { "Depends": "py-genlayer:test" }\n', "Return", None),
        ('# v0.2.7\n# {\n#   "Depends": "py-genlayer:latest"\n# }\n\n', "Return", None),
        ('# v0.2.99\n# { "Depends": "py-genlayer:test" }\n', "Return", None),
        ('# v0.3.0\n# { "Depends": "py-genlayer:test" }\n', "VmError", "version_too_big"),
        ("# { not json }\n", "VmError", "invalid_contract"),
    ],
    ids=[
        "none",
        "after code",
        "test",
        "latest",
        "pinned",
        "version first",
        "many lines",
        "later release of the line",
        "later line",
        "no json",
    ],
)
async def test_every_header_that_people_write_is_understood(
    chain: Chain, header: str, kind: str, data: object
) -> None:
    """contract-runtime 2.2; how often each is seen: contract-sdk 1."""
    outcome = await chain.try_deploy(header.encode() + SMALL)
    assert outcome.result is not None
    assert outcome.kind == kind
    message = outcome.result.data if isinstance(outcome.result.data, str) else None
    assert (message or "").startswith(str(data or ""))

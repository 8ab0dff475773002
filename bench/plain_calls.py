"""The contract library in this very process, without isolation: what a developer's session is held against.

A test file for plain pytest (`bench.developer`): the guest's library over a host in memory, the example
counter, and its calls, one after the other.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import genvm_executor

ROOT = Path(__file__).parents[1]
COUNTER = ROOT / "examples" / "counter.py"
CALLS = int(os.environ.get("BENCH_CALLS", "200"))


class MemoryHost(ModuleType):
    """`_genlayer_wasi` over a dictionary, as far as storage goes."""

    def __init__(self) -> None:
        super().__init__("_genlayer_wasi")
        self.slots: dict[bytes, bytearray] = {}

    def storage_read(self, slot: bytes, off: int, buf: bytearray | memoryview) -> None:
        data = self.slots.get(bytes(slot), b"")[off : off + len(buf)]
        buf[:] = bytes(data).ljust(len(buf), b"\0")

    def storage_write(self, slot: bytes, off: int, data: bytes) -> None:
        content = self.slots.setdefault(bytes(slot), bytearray())
        content.extend(bytes(max(off - len(content), 0)))
        content[off : off + len(data)] = data

    def storage_rights(self) -> tuple[bool, frozenset[bytes]]:
        return True, frozenset()

    def storage_write_all(self, writes: list[tuple[bytes, int, bytes]]) -> None:
        for slot, off, data in writes:
            self.storage_write(slot, off, data)


def test_calls() -> None:
    guest = Path(next(iter(genvm_executor.__path__))) / "guest"
    sys.path.insert(0, str(guest))
    sys.modules["_genlayer_wasi"] = MemoryHost()
    runner: Any = importlib.import_module("genvm_runner")
    runner.warm_up()
    runner.choose("v0.2")
    calldata: Any = importlib.import_module("genlayer_core.calldata")
    address: Any = importlib.import_module("genlayer_core.types").Address
    pages: Any = importlib.import_module("genlayer_core.storage.pages").HOST
    sender = address(b"\xa0" * 20)
    message = {
        "contract_address": address(b"\x01" * 20), "sender_address": sender, "origin_address": sender,
        "chain_id": 61999, "value": 0, "is_init": True, "datetime": "2026-01-01T00:00:00Z",
        "entry_kind": 0, "entry_data": b"", "entry_stage_data": None, "stack": [],
    }  # fmt: skip
    entry, _ = runner.begin(b"v0.2\n" + calldata.encode(message))
    spec = importlib.util.spec_from_file_location("contract", COUNTER)
    assert spec is not None and spec.loader is not None
    module = sys.modules["contract"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    contract = importlib.import_module("genlayer_core.dispatch").registered()
    entry.DISPATCH.run_main(contract, calldata.encode({}), is_init=True)
    pages.flush()
    for number in range(CALLS):
        data = calldata.encode({"method": "add", "args": [1]})
        assert entry.DISPATCH.run_main(contract, data, is_init=False) == number + 1
        pages.flush()

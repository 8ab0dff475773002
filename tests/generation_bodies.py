"""Bodies of `POST /genvm/run` as the clients of each generation write them (manager-api 3.3.1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import encode

GENERATIONS = ("A", "B1", "B2", "B3", "B4", "C")
CALLDATA_GENERATIONS = GENERATIONS[1:]
SPOKEN = {
    "A": ("T15a", 8),
    "B1": ("T15b", 8),
    "B2": ("T9w", 8),
    "B3": ("T8", 8),
    "B4": ("T8", 32),
    "C": ("T9n", 32),
}
"""The host table that nodes of a generation speak, and the bytes of a fuel amount there."""
TIMESTAMP = "2024-11-26T06:42:42.424242Z"
HOST_DATA = '{"node_address":"0x","tx_id":"0x"}'
CALL = encode({"method": "#get-schema"})
ONE = Address(b"\x01" * 20)

FEES: Mapping[str, Mapping[str, Any]] = {
    "B1": {"storage_pages": 10_000_000},
    "B2": {"data_fees_limit": 10**9, "storage_page_cost": 1, "receipt_word_cost": 1},
    "B3": {
        "bucket_totals": [10**7] * 3,
        "gas_data": {},
        "message_fee_allocation": [],
        "initial_time_units_allocation": 600,
    },
}


def message(generation: str, **changes: Any) -> dict[str, Any]:
    """The `message` of a body, with addresses as that generation writes them."""
    given = {
        "contract_address": Address(bytes(20)),
        "sender_address": ONE,
        "origin_address": ONE,
        "is_init": False,
        "value": 0,
        "chain_id": 61999,
    } | changes
    if generation in {"A", "B1"}:
        given |= {"chain_id": str(given["chain_id"]), "value": given["value"] or None}
    if generation == "C":
        given |= {"signer_address": given["origin_address"]}
    if generation == "A":
        given |= {
            key: base64.b64encode(value.raw).decode()
            for key, value in given.items()
            if isinstance(value, Address)
        }
    return given


def fields(generation: str, host: str, *, messages: Mapping[str, Any] | None = None, **changes: Any) -> Any:
    """The body before it is encoded."""
    common = {
        "message": message(generation, **(messages or {})),
        "is_sync": True,
        "max_execution_minutes": 20,
        "host_data": HOST_DATA,
        "timestamp": TIMESTAMP,
        "host": host,
        "extra_args": [] if generation in {"B4", "C"} else ["--debug-mode"],
    }
    common |= {"selector": {"kind": "major", "major": 0}} if generation == "C" else {"major": 0}
    common |= {"debug_mode": "safe"} if generation in {"B4", "C"} else {"capture_output": True}
    if generation != "A":
        common |= {"calldata": CALL, "code": None}
    if generation not in {"A", "B1"}:
        common |= {"leader_nondet_results": None}
    fees = FEES.get(generation, FEES["B3"] if generation in {"B4", "C"} else {})
    return common | dict(fees) | changes


def encoded(generation: str, host: str, **changes: Any) -> bytes:
    """The body as it goes over the wire."""
    whole = fields(generation, host, **changes)
    return json.dumps(whole).encode() if generation == "A" else encode(whole)

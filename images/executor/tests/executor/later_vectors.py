"""contract-sdk-v03-vectors.json, and ways to ask the real interpreter for many of its entries at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guest.vectors import Step, VmEnd

from genvm_executor.entry_payload import is_entry
from genvm_wire.calldata import decode, encode

from .wasi_harness import WasiHarness

FILE = Path(__file__).parents[4] / "tests" / "vectors" / "contract-sdk-v03-vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())

NEEDS_NUMPY = frozenset(("S22",))
# Left out of `methods`, and resolved, as for the first line's contracts: contract-sdk 13 and 16.
LENIENT_SCHEMAS = {
    "C17": '{"ctor":{"params":[],"kwparams":{}},"methods":{}}',
    "C18": '{"ctor":{"params":[],"kwparams":{}},"methods":{"m":{"params":[["a","int"]],"kwparams":{},'
    '"readonly":true,"ret":"null"}}}',
}
LOCKED_SLOTS = "21b9e013f74608b92947861287b3de76c2c076fe839b7994761bd950cc2e7566"
ROOT = "00" * 32
# Pickle of the function `contract.stage`, the same bytes for every Python version.
STAGE_PICKLE = b"\x80\x04\x8c\x08contract\x8c\x05stage\x93."
PICKLE = b"\x33PICKLE"
"""Stands in requests for what a function was pickled to, as calldata has it."""

HEADER = """
import array, struct, sys
import genlayer as gl
from genlayer import *
from genlayer.types import *
from genlayer.types.keccak import Keccak256
from genlayer.calldata import *
from genlayer.storage import *
from genlayer.evm import *
from genlayer.message_allocation import *
from genlayer.vm import *
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import *
"""
EVALUATOR = (
    HEADER
    + """
class C(gl.contract.Contract):
    def __init__(self): ...
    @gl.public.view
    def go(self, expressions):
        def value(expression):
            try:
                found = eval(expression, globals())
                return found.hex() if isinstance(found, (bytes, bytearray)) else repr(found)
            except Exception as error:
                return f"{type(error).__name__}: {error}"
        return [value(expression) for expression in expressions]
"""
)


def evaluate(harness: WasiHarness, expressions: Sequence[str], definitions: str = "") -> list[str]:
    """What each comes to in one VM: bytes as hex, other values as their repr, exceptions as `Type: text`."""
    source = EVALUATOR.replace("class C(", f"{definitions}\nclass C(")
    calldata = encode({"": "go", "args": [list(expressions)]})
    (outcome,) = harness.run(source, [Step(calldata)])
    assert outcome.kind == "Return", outcome.stderr
    assert isinstance(outcome.data, bytes)
    found = decode(outcome.data)
    assert isinstance(found, list)
    return [str(one) for one in found]


def run(harness: WasiHarness, source: str, calldata: bytes, message: Mapping[str, Any]) -> VmEnd:
    """One run as the executor does it: an entry of another form starts no VM."""
    if not is_entry(calldata, bool(message.get("is_init"))):
        return VmEnd("VMError", "malformed_entry", {}, [], "", "")
    (outcome,) = harness.run(source, [Step(calldata, message=message)])
    return outcome


def check_result(outcome: VmEnd, expected: Mapping[str, Any]) -> None:
    wanted = expected["data"]
    if expected["kind"] != "VMError" and wanted is not None:
        wanted = bytes.fromhex(wanted)
    assert outcome.kind == expected["kind"], outcome.stderr
    assert wanted in (None, outcome.data), outcome.stderr


def check_exception(outcome: VmEnd, expected: str | None) -> None:
    """`Type: text`, `Type starting `text``, `Type whose text contains `text``."""
    text = (expected or "").replace(" starting `", ": ").rpartition(" whose text contains `")[2]
    assert text.removesuffix("`").strip() in outcome.stderr


def contents(slots: Mapping[str, bytes]) -> dict[str, str]:
    trimmed = {slot: bytes(content).rstrip(b"\x00").hex() for slot, content in slots.items()}
    return {slot: content for slot, content in trimmed.items() if content}


def check_storage(harness: WasiHarness, vector: Mapping[str, Any]) -> None:
    steps = [
        Step(encode(_arguments(step["init"])), message={"is_init": True})
        if "init" in step
        else Step(encode({"": step["call"], **_arguments(step.get("args", ()))}))
        for step in vector["steps"]
    ]
    for outcome, expected in zip(harness.run(vector["src"], steps), vector["steps"], strict=True):
        check_result(outcome, expected["result"])
        assert outcome.stdout == expected.get("stdout", "")
        wanted = contents({slot: bytes.fromhex(content) for slot, content in expected["slots"].items()})
        found = contents(outcome.slots)
        if LOCKED_SLOTS not in wanted:
            found.pop(LOCKED_SLOTS, None)
        assert found == wanted


def _arguments(values: Sequence[Any]) -> dict[str, Any]:
    return {"args": list(values)} if values else {}


def check_calls(outcome: VmEnd, vector: Mapping[str, Any]) -> None:
    check_result(outcome, vector["result"])
    assert outcome.stdout == vector.get("stdout", "")
    check_exception(outcome, vector.get("exception"))
    wanted = [bytes.fromhex(call["hex"]) for call in vector["calls"]]
    found = [call for call in map(_without_pickles, outcome.calls) if not _is_ending(call, wanted)]
    assert found == wanted


def _is_ending(call: bytes, wanted: Sequence[bytes]) -> bool:
    return call not in wanted and call.startswith((b"\x0e\x06Return", b"\x0e\x09UserError"))


def _without_pickles(call: bytes) -> bytes:
    message = decode(call)
    assert isinstance(message, dict)
    ((name, payload),) = message.items()
    if isinstance(payload, dict):
        for key in ("data", "data_leader", "data_validator"):
            if isinstance(pickled := payload.get(key), bytes) and pickled.startswith(b"\x80"):
                payload[key] = b"PICKLE"
    return encode({name: payload})

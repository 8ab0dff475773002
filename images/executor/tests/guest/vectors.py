"""The library's vectors and how to check them, whatever runs the guest.

A backend is anything that satisfies `Harness`: forked native interpreters here, the real WASI interpreter
in the executor's own tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

FILE = Path(__file__).parents[4] / "tests" / "vectors" / "contract-sdk-vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text())

# The interpreter for WASI has no native extensions, hence no numpy.
NEEDS_NUMPY = frozenset(("ST22",))

# Left out of `methods` instead of failing, and resolved instead of refused: contract-sdk 13 and 16.
LENIENT_SCHEMAS = {
    "SC17": '{"ctor":{"params":[],"kwparams":{}},"methods":{}}',
    "SC18": '{"ctor":{"params":[],"kwparams":{}},"methods":{"m":{"params":[["a","int"]],"kwparams":{},'
    '"readonly":true,"ret":"null"}}}',
}

# `emit(value=9)` sends 9: contract-sdk 16. (The vector shows the old defect, 0.)
FIXED_CALLS = {"GC11": {0: (b"\x05value\x01", b"\x05value\x49")}}

LOCKED_SLOTS_LIST = "ba005630745acf3014aaf162e9933040302ca0bef3f56fe2d73c0a08f82c610b"

# Pickle of the function `contract.stage`, the same bytes for every Python version.
STAGE_PICKLE = b"\x80\x04\x8c\x08contract\x8c\x05stage\x93."


@dataclass(frozen=True)
class Step:
    """One VM. `message`: what differs from the default start message. `replies`: to requests, in order."""

    entry_data: bytes = b""
    entry_kind: int = 0
    entry_stage_data: Any = None
    message: Mapping[str, Any] = field(default_factory=dict)
    replies: Sequence[bytes] = ()


@dataclass(frozen=True)
class VmEnd:
    """How a VM ended. `kind`: Return, UserError or VMError; `data`: calldata of a Return, else text.

    `slots`: id hex → bytes of the whole storage after it. `calls`: encoded requests, terminal one included.
    """

    kind: str
    data: bytes | str
    slots: Mapping[str, bytes]
    calls: Sequence[bytes]
    stdout: str
    stderr: str


class Harness(Protocol):
    """Runs a contract; storage lives from step to step, a step that fails leaves it as it was."""

    encode: Callable[[Any], bytes]

    def parses(self, source: str) -> bool:
        """Whether this backend's Python version can read the source."""

    def run(self, source: str, steps: Sequence[Step]) -> list[VmEnd]:
        """Run every step."""


def call_data(harness: Harness, method: str | None, args: Sequence[Any]) -> bytes:
    request: dict[str, Any] = {}
    if method is not None:
        request["method"] = method
    if args:
        request["args"] = list(args)
    return harness.encode(request)


def check_result(outcome: VmEnd, expected: Mapping[str, Any]) -> None:
    wanted = expected["data"]
    if expected["kind"] == "Return":
        wanted = bytes.fromhex(wanted)
    assert (outcome.kind, outcome.data) == (expected["kind"], wanted), outcome.stderr


def _trimmed(slots: Mapping[str, bytes]) -> dict[str, str]:
    contents = {slot: bytes(content).rstrip(b"\x00").hex() for slot, content in slots.items()}
    return {slot: content for slot, content in contents.items() if content}


def check_storage(harness: Harness, vector: Mapping[str, Any]) -> None:
    steps = [_storage_step(harness, step) for step in vector["steps"]]
    for outcome, expected in zip(harness.run(vector["src"], steps), vector["steps"], strict=True):
        check_result(outcome, expected["result"])
        assert outcome.stdout == expected.get("stdout", "")
        wanted = {slot: bytes.fromhex(content) for slot, content in expected["slots"].items()}
        slots = dict(outcome.slots)
        if LOCKED_SLOTS_LIST not in wanted:
            slots.pop(LOCKED_SLOTS_LIST, None)
        assert _trimmed(slots) == _trimmed(wanted)


def _storage_step(harness: Harness, step: Mapping[str, Any]) -> Step:
    if "init" in step:
        return Step(call_data(harness, None, step["init"]), message={"is_init": True})
    return Step(call_data(harness, step["call"], step.get("args", ())))


def check_schema(harness: Harness, vector: Mapping[str, Any]) -> None:
    (outcome,) = harness.run(vector["src"], [Step(call_data(harness, "#get-schema", ()))])
    wanted = LENIENT_SCHEMAS.get(vector["id"], vector["v02"])
    if wanted is None:
        assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    else:
        assert (outcome.kind, outcome.data) == ("Return", harness.encode(wanted)), outcome.stderr


def check_dispatch(harness: Harness, vector: Mapping[str, Any]) -> None:
    source = VECTORS["dispatch_src2" if "second source" in vector["title"] else "dispatch_src"]
    step = Step(bytes.fromhex(vector["calldata_hex"]), message=vector["message"])
    (outcome,) = harness.run(source, [step])
    check_result(outcome, vector["result"])
    assert vector.get("exception", "") in outcome.stderr


def _without_terminal(calls: Sequence[bytes], harness: Harness) -> list[bytes]:
    endings = tuple(b"\x0e" + bytes([len(name)]) + name for name in (b"Return", b"Rollback"))
    return [call for call in calls if not call.startswith(endings)]


def check_calls(harness: Harness, vector: Mapping[str, Any], step: Step, source: str) -> None:
    (outcome,) = harness.run(source, [step])
    check_result(outcome, vector["result"])
    assert outcome.stdout == vector.get("stdout", "")
    assert vector.get("exception", "").rpartition(".")[2] in outcome.stderr
    wanted = [bytes.fromhex(call["hex"]) for call in vector["calls"]]
    for number, (old, new) in FIXED_CALLS.get(vector["id"], {}).items():
        wanted[number] = wanted[number].replace(old, new)
    assert _without_terminal(outcome.calls, harness) == _without_terminal(wanted, harness)


def check_gl_call(harness: Harness, vector: Mapping[str, Any]) -> None:
    replies = [bytes.fromhex(reply) for reply in vector.get("replies_hex", ())]
    step = Step(harness.encode({}), message={"is_init": True}, replies=replies)
    check_calls(harness, vector, step, vector["src"])


def check_substage(harness: Harness, vector: Mapping[str, Any]) -> None:
    body = "".join(f"    {line}\n" for line in vector["body"].splitlines())
    source = f"from genlayer import *\nclass C(gl.Contract):\n    pass\ndef stage(data):\n{body}"
    replies = [bytes.fromhex(reply) for reply in vector["replies_hex"]]
    check_calls(harness, vector, Step(STAGE_PICKLE, entry_kind=2, replies=replies), source)

"""Each message of the instance and the module protocol as bytes: instances outlive an upgrade of their manager.

`protocol_frames.txt` has a line for each: whose it is, its name, its frame in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from genvm_wire.calldata import Address, Encodable
from genvm_wire.frames import PROTOCOL_VERSION, encode_frame
from orchestrator.api.wire.generations import received
from orchestrator.api.wire.rules import RunRules
from orchestrator.contracts.versions import ExecutorVersion, Number
from orchestrator.executions.job import JobLimits, job_message
from orchestrator.executions.modules import Introduction
from orchestrator.executions.plain import moment
from orchestrator.modules.configuration import Configuration, StartRequest
from orchestrator.modules.redaction import Redaction
from orchestrator.modules.session import session_message
from tests.generation_bodies import encoded

FRAMES = {
    name: bytes.fromhex(frame)
    for name, frame in (
        line.rsplit(" ", 1)
        for line in Path(__file__).with_name("protocol_frames.txt").read_text().splitlines()
    )
}
ADDRESS = Address(bytes(range(20)))


def job_of(generation: str) -> Any:
    request = received(encoded(generation, "unix:///h.sock")).shaped().run_request(RunRules())
    version = ExecutorVersion("v0.3.0", Number(0, 3, 0), moment(0), "image", None, "v0.3", None)
    return job_message(7, request, version, JobLimits(1000, 200, 3000, 40), ["llm", "web"])


CONFIGURATION = Configuration({"backends": {"a": {"key": "k"}}}, Redaction(), StartRequest(user_error=True))
INTRODUCTION = Introduction(7, "Leader", '{"tx_id": "t"}', {"a": "1"}, 20, 1000)

MESSAGES: dict[str, Mapping[str, Encodable]] = {
    "instance ready": {
        "kind": "ready", "protocol": PROTOCOL_VERSION, "executor": "x 1", "served": 0, "reuse": 1,
    },
    "instance ready again": {
        "kind": "ready", "protocol": PROTOCOL_VERSION, "executor": "x 1", "served": 2, "reuse": 5,
        "proof": b"secret", "promise": b"hash",
    },
    "instance resume": {"kind": "resume", "protocol": PROTOCOL_VERSION, "run": 7, "finished": True},
    "instance output": {"kind": "output", "stream": "stderr", "offset": 300, "data": b"text"},
    "instance log": {"kind": "log", "records": [{"level": "info", "message": "m", "at": ADDRESS}]},
    "instance finishing": {"kind": "finishing", "run": 7},
    "instance result": {
        "kind": "result", "run": 7, "code": 2, "payload": b"\x02timeout", "delivered": True,
        "stats": {"fuel": 10**12, "log_total": 1},
    },
    "instance failed": {"kind": "failed", "run": 7, "class": "upstream", "message": "why"},
    **{f"manager job of {generation}": job_of(generation) for generation in ("A", "B1", "B2", "B3", "B4", "C")},
    "manager cancel": {"kind": "cancel", "run": 7},
    "manager ack": {"kind": "ack", "run": 7},
    "manager exit": {"kind": "exit"},
    "module ready": {"kind": "ready", "protocol": PROTOCOL_VERSION, "module": "llm", "version": "1"},
    "module resume": {
        "kind": "resume", "protocol": PROTOCOL_VERSION, "module": "web", "version": "1", "generation": 4,
        "sessions": [7, 8],
    },
    "module configured": {"kind": "configured", "generation": 4, "notes": ["n"]},
    "module failed": {"kind": "failed", "message": "why"},
    "module session_ended": {"kind": "session_ended", "run": 7, "stats": {"a": {"b": 1}}, "requests": 2},
    "module pong": {
        "kind": "pong", "sequence": 3, "sessions": 1, "healthy": False, "detail": "d", "counters": {"c": 1},
    },
    "module log": {"kind": "log", "records": [{"level": "info", "message": "m"}]},
    "to module configure": CONFIGURATION.message(4),
    "to module session": session_message(INTRODUCTION),
    "to module close": {"kind": "close", "run": 7},
    "to module ping": {"kind": "ping", "sequence": 3},
    "to module drain": {"kind": "drain"},
    "to module exit": {"kind": "exit"},
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_a_message_is_these_bytes(name: str) -> None:
    assert encode_frame(MESSAGES[name]) == FRAMES[name]


def test_every_message_is_pinned() -> None:
    assert MESSAGES.keys() == FRAMES.keys()

"""The real executor process, driven as the manager drives it: over its control socket."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, assert_never

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, decode, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameClosed, FrameSocket
from genvm_wire.instance_messages import (
    Ack,
    Compiled,
    Failed,
    Finishing,
    FromInstance,
    JobMessage,
    Log,
    Nest,
    Output,
    Ready,
    Result,
    Resume,
    Source,
    ToInstance,
    WantCode,
    from_instance,
    to_instance,
)
from genvm_wire.results import ResultCode

from .node_host import NodeHost

CONTRACT = Address.from_hex("0x5b38da6a701c568545dcfcb03fcb875f56beddc4")
SENDER = Address.from_hex("0xab8483f64d9c6d1ecf9b849ae677dd3315835cb2")
RUN = 7


@dataclass
class Report:
    """What one run told the manager."""

    final: Result | Failed | None = None
    kinds: list[str] = field(default_factory=list)
    output: dict[str, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})
    offsets: dict[str, list[int]] = field(default_factory=lambda: {"stdout": [], "stderr": []})
    log: list[Mapping[str, Any]] = field(default_factory=list)
    exit_code: int | None = None
    seconds: float = 0.0

    @property
    def result(self) -> Result:
        assert isinstance(self.final, Result), self.final
        return self.final

    @property
    def failed(self) -> Failed:
        assert isinstance(self.final, Failed), self.final
        return self.final

    @property
    def code(self) -> int | None:
        return self.final.code if isinstance(self.final, Result) else None

    @property
    def payload(self) -> bytes:
        return self.result.payload

    @property
    def value(self) -> Any:
        """What a T15a run returned, or its error text."""
        if self.code == ResultCode.INTERNAL_ERROR:
            return self.payload[1:].decode()
        rest = decode(self.payload[1:])
        return rest["message"] if self.payload[0] and isinstance(rest, dict) else rest

    @property
    def stats(self) -> Mapping[str, Any]:
        return self.result.stats


class Executor:
    """A started process and its control channel."""

    def __init__(self, directory: Path, precompiled: Path, **environment: str) -> None:
        self.path = directory / "control.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(4)
        self._listener.settimeout(60)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "genvm_executor"],
            env={
                **os.environ,
                "GENVM_CONTROL": str(self.path),
                "GENVM_PRECOMPILED_DIR": str(precompiled),
                **environment,
            },
            stderr=subprocess.PIPE,
        )
        self.accept()

    def accept(self) -> None:
        """Take the next connection of the process."""
        sock, _ = self._listener.accept()
        sock.settimeout(60)
        self.channel = FrameSocket(sock, receive_limit=LIMIT_FROM_INSTANCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self._listener.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def receive(self) -> FromInstance:
        """What the process says next."""
        return from_instance(self.channel.receive()[0])

    def send(self, message: ToInstance) -> None:
        self.channel.send(message.as_map())

    def wait_ready(self) -> Ready:
        message = self.receive()
        assert isinstance(message, Ready), message
        return message

    def send_job(self, node: NodeHost, job: Mapping[str, Encodable]) -> None:
        self.channel.send(job, [node.executor_side.fileno()])
        node.executor_side.close()

    def follow(self, until: str = "final", acknowledge: bool = True) -> Report:
        """Read messages to the final one (or the first of kind `until`), and to the process's end."""
        report = follow(self.channel, until)
        if report.final and acknowledge:
            self.acknowledge()
            report.exit_code = self.process.wait(30)
        return report

    def acknowledge(self) -> None:
        self.send(Ack(RUN))

    def closed(self) -> bool:
        """Whether the process has closed its channel."""
        try:
            self.receive()
        except FrameClosed:
            self.channel.close()
            return True
        return False


def follow(channel: FrameSocket, until: str = "final") -> Report:
    """Read messages to the final one (or the first of kind `until`)."""
    report = Report()
    started = time.monotonic()
    while True:
        message = from_instance(channel.receive()[0])
        report.kinds.append(message.kind)
        match message:
            case Output():
                report.output[message.stream] += message.data
                report.offsets[message.stream].append(message.offset)
            case Log():
                report.log += message.records
            case Result() | Failed():
                report.final, report.seconds = message, time.monotonic() - started
                return report
            case Ready() | Resume() | Finishing() | Nest() | WantCode() | Source() | Compiled():
                pass
            case _:
                assert_never(message)
        if message.kind == until:
            return report


def job(**changes: Encodable) -> dict[str, Encodable]:
    """A job that calls a contract over T15a; `changes` replace keys, `message__key` inside the message."""
    message: dict[str, Encodable] = {
        "contract_address": CONTRACT,
        "sender_address": SENDER,
        "origin_address": SENDER,
        "chain_id": 61999,
        "value": 0,
        "is_init": False,
        "datetime": "2026-01-02T03:04:05Z",
    }
    whole: dict[str, Encodable] = {
        "kind": JobMessage.kind,
        "run": RUN,
        "sockets": ["host"],
        "deadline_ms": 60_000,
        # Half of it is what a cancelled run may take to tell the node, on a machine that may stand still.
        "grace_ms": 30_000,
        "host_table": "T15a",
        "fuel_width": 8,
        "contract_line": "v0.2",
        "executor_version": "v0.2.7",
        "calldata": None,
        "code": None,
        "host_data": "{}",
        "permissions": "rwscn",
        "is_sync": False,
        "debug": True,
        "storage_pages": None,
        "leader_nondet_results": None,
        "output_limit": 64 * 1024,
        "log_limit": 100,
        "extra": {},
    }
    for key, value in changes.items():
        target = message if key.startswith("message__") else whole
        target[key.removeprefix("message__")] = value
    return {**whole, "message": message}


def job_message(**changes: Encodable) -> JobMessage:
    """The same as an executor reads it."""
    frame = decode(encode(job(**changes)))
    assert isinstance(frame, dict)
    message = to_instance(frame)
    assert isinstance(message, JobMessage)
    return message


def call(method: str, *args: Encodable) -> bytes:
    """Calldata of a method call."""
    return encode({"method": method, "args": list(args)} if args else {"method": method})

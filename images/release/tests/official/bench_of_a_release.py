"""A manager's and a node's side of one job that the wrapper serves with the stand-in."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameSocket
from genvm_wire.instance_messages import (
    INLET,
    INLET_SOCKET,
    Ack,
    Failed,
    FromInstance,
    JobMessage,
    Log,
    Output,
    Ready,
    Result,
    ToInstance,
    from_instance,
)

PACKAGE = Path(__file__).parents[2]
RUN = 77
CONTRACT = Address.from_hex("0x5b38da6a701c568545dcfcb03fcb875f56beddc4")
OTHER = Address.from_hex("0xab8483f64d9c6d1ecf9b849ae677dd3315835cb2")
PATIENCE = 120
"""Seconds for what must happen: a machine may stand still now and then."""


def job(table: str, **changes: Any) -> JobMessage:
    """A job that calls `foo()`; `extra` as clients of the table send it."""
    fees: dict[str, Encodable] = {
        "bucket_totals": [10_000_000] * 3,
        "gas_data": {},
        "message_fee_allocation": [],
        "initial_time_units_allocation": 600,
    }
    message: dict[str, Encodable] = {
        "contract_address": CONTRACT,
        "sender_address": OTHER,
        "origin_address": OTHER,
        "signer_address": OTHER,
        "chain_id": 61999,
        "value": 0,
        "is_init": False,
        "datetime": "2026-01-02T03:04:05Z",
    }
    values: dict[str, Any] = {
        "run": RUN,
        "sockets": ["host"],
        "deadline_ms": PATIENCE * 1000,
        "grace_ms": PATIENCE * 1000,
        "host_table": table,
        "fuel_width": 8,
        "contract_line": "v0.2",
        "executor_version": "v0.2.16",
        "message": message,
        "calldata": encode({"method": "foo"}),
        "code": None,
        "host_data": '{"node_address":"0x1","tx_id":"0x2"}',
        "permissions": "rwscn",
        "is_sync": False,
        "debug": False,
        "storage_pages": None,
        "leader_nondet_results": None,
        "output_limit": 64 * 1024,
        "log_limit": 100,
        "extra": {"data_fees_limit": 5, "storage_page_cost": 6, "receipt_word_cost": 7}
        if table == "T9w"
        else fees,
    }
    return JobMessage(**{**values, **changes})


@dataclass
class Told:
    """What the manager was told of a run."""

    final: Result | Failed
    kinds: list[str]
    output: dict[str, bytes]
    log: list[Any]
    exit_code: int = -1
    seen: dict[str, Any] = field(default_factory=dict)


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(4)
    listener.settimeout(PATIENCE)
    return listener


class Bench:
    """The wrapper as a process, in a folder of its own."""

    def __init__(self, folder: Path, **play: Any) -> None:
        self.folder = folder
        self._install(play)
        self._listener = _bound(folder / "control.sock")
        paths = [str(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "genvm_release"],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "GENVM_CONTROL": str(folder / "control.sock"),
                "GENVM_RELEASE_PROGRAM": str(folder / "genvm"),
                "GENVM_RELEASE_VERSION": "v0.2.16",
            },
        )
        self.node, self.given = socket.socketpair()
        self._inlet = _bound(folder / INLET_SOCKET)
        self.accept()

    def _install(self, play: dict[str, Any]) -> None:
        program = self.folder / "genvm"
        text = (Path(__file__).parent / "stand_in.py").read_text("utf-8")
        program.write_text(f"#!{sys.executable}\n{text}", "utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        (self.folder / "play.json").write_text(json.dumps(play))

    def accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(PATIENCE)
        self.channel = FrameSocket(sock, receive_limit=LIMIT_FROM_INSTANCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
        self._listener.close()
        self._inlet.close()
        self.node.close()
        self.given.close()
        self.process.kill()
        self.process.wait()

    def let_in_no_more(self, line: socket.socket) -> None:
        """As a manager that is killed."""
        self._inlet.close()
        line.close()

    def receive(self) -> FromInstance:
        return from_instance(self.channel.receive()[0])

    def send(self, message: ToInstance, descriptors: tuple[int, ...] = ()) -> None:
        self.channel.send(message.as_map(), list(descriptors))

    def begin(self, message: JobMessage, *more: socket.socket) -> None:
        """Wait until it is ready, hand over the job and its connections, keep none of them."""
        assert isinstance(self.receive(), Ready)
        self.send(message, (self.given.fileno(), *(sock.fileno() for sock in more)))
        for sock in (self.given, *more):
            sock.close()

    def begin_early(self, message: JobMessage, *more: socket.socket) -> socket.socket:
        """The same with an inlet; its other end, on which the program's connection is to be handed over."""
        ours, theirs = socket.socketpair()
        self.begin(message.but(sockets=[*message.sockets, INLET]), *more, theirs)
        return ours

    def let_in(self, line: socket.socket) -> None:
        """The program, once: as managers do."""
        with line, self._inlet.accept()[0] as dialled:
            self._inlet.close()
            # A program that has ended by now is waited for no more.
            with suppress(BrokenPipeError):
                socket.send_fds(line, [b"\0"], [dialled.fileno()])

    def follow(self) -> Told:
        """To the end: acknowledges the last word, waits for the process."""
        kinds: list[str] = []
        output = {"stdout": b"", "stderr": b""}
        log: list[Any] = []
        while True:
            message = self.receive()
            kinds.append(message.kind)
            match message:
                case Output():
                    output[message.stream] += message.data
                case Log():
                    log += message.records
                case Result() | Failed():
                    self.send(Ack(RUN))
                    seen = self.folder / "seen.json"
                    exit_code = self.process.wait(PATIENCE)
                    said = json.loads(seen.read_text()) if seen.exists() else {}
                    return Told(message, kinds, output, log, exit_code, said)

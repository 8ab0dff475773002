"""Whatever goes wrong between a run's end and its report, the manager is told of the run."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from wasmtime import Module

from genvm_executor.machine.engine import deterministic_engine
from genvm_executor.machine.outcome import Outcome, VmFault
from genvm_executor.machine.output import OutputTail, Streams
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.python.programs import Programs
from genvm_executor.service import Service
from genvm_wire.calldata import Encodable, Value
from genvm_wire.results import ResultCode

RUN = 7


class Listening:
    """A manager that acknowledges."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, Encodable]] = []

    def send(self, message: Mapping[str, Encodable]) -> bool:
        self.told.append(message)
        return True

    def receive(self) -> tuple[dict[str, Value], list[int]]:
        return {"kind": "ack", "run": RUN}, []


@pytest.mark.parametrize(
    "ending",
    [Outcome(ResultCode.RETURN, b"\0"), VmFault("exit_code 1"), RuntimeError("defect"), KeyboardInterrupt()],
)
def test_an_ending_that_cannot_be_delivered_is_told_as_a_failure(ending):
    """Here the job was never prepared: there is nobody to deliver to."""
    channel = Listening()
    engine = deterministic_engine()
    programs = Programs(engine, Module(engine, "(module)"), FileSystem())
    streams = Streams(OutputTail(), OutputTail())
    service = Service(channel, programs, streams, 1 << 20, frame={"kind": "job", "run": RUN}, fds=[])
    assert service.end(ending) == 1
    assert channel.told[-1]["kind"] == "failed"
    assert (channel.told[-1]["run"], channel.told[-1]["class"]) == (RUN, "internal")
    assert service.acknowledged

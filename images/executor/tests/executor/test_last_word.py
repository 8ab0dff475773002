"""Whatever goes wrong between a run's end and its report, the manager is told of the run."""

from __future__ import annotations

from typing import Any

import pytest
from wasmtime import Module

from genvm_executor.channel.watch import Deadline, Watch
from genvm_executor.machine.engine import deterministic_engine
from genvm_executor.machine.outcome import VmOutcome
from genvm_executor.machine.output import OutputTail, Streams
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.python.programs import Programs
from genvm_executor.service import Service, Unserved
from genvm_wire.instance_messages import Ack, Failed, FromInstance, ToInstance
from genvm_wire.messages import MessageInvalid
from genvm_wire.results import ResultCode

from .executor_process import job_message
from .node_host import NodeHost

RUN = 7
BROKEN = VmOutcome(ResultCode.RETURN, b"\xff")
"""No calldata: what it is to be delivered as cannot be made of it."""


class Listening:
    """A manager that acknowledges."""

    def __init__(self) -> None:
        self.told: list[FromInstance] = []

    def send(self, message: FromInstance) -> bool:
        self.told.append(message)
        return True

    def receive(self) -> tuple[ToInstance, list[int]]:
        return Ack(RUN), []


@pytest.fixture
def channel() -> Listening:
    return Listening()


@pytest.fixture
def service(channel: Any, node: NodeHost, monkeypatch: pytest.MonkeyPatch) -> Service:
    """In this process, whose timer and signals are not its own."""
    monkeypatch.setattr(Deadline, "arm_kernel_timer", lambda _self: None)
    monkeypatch.setattr(Watch, "catch_termination", lambda _self: None)
    engine = deterministic_engine()
    programs = Programs(engine, Module(engine, "(module)"), FileSystem())
    streams = Streams(OutputTail(), OutputTail())
    return Service.of_message(
        channel, programs, streams, 1 << 20, said=job_message(), fds=[node.executor_side.detach()]
    )


@pytest.mark.parametrize("ending", [BROKEN, RuntimeError("defect"), KeyboardInterrupt()], ids=repr)
def test_an_ending_that_cannot_be_delivered_is_told_as_a_failure(
    channel: Listening, service: Service, ending: BaseException
) -> None:
    assert service.end(ending) == 1
    told = channel.told[-1]
    assert isinstance(told, Failed)
    assert (told.run, told.failure) == (RUN, "internal")
    assert service.acknowledged


@pytest.mark.parametrize(
    ("ending", "failure"),
    [(MessageInvalid("a key", "job", RUN), "protocol"), (OSError(24, "full"), "internal")],
    ids=repr,
)
def test_a_job_that_is_not_understood_is_told_as_a_failure(
    channel: Listening, ending: BaseException, failure: str
) -> None:
    manager: Any = channel
    unserved = Unserved(manager, RUN)
    assert unserved.end(ending) == 1
    (told,) = channel.told
    assert isinstance(told, Failed)
    assert (told.run, told.failure) == (RUN, failure)
    assert unserved.acknowledged

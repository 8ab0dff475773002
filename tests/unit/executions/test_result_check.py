"""Results that come through the manager are a contract's: whatever is in one, looking at it stops nobody."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from genvm_wire import uleb
from genvm_wire.calldata import Encodable, Value, decode, encode
from genvm_wire.instance_messages import Result
from orchestrator.aside import SMALL
from orchestrator.executions import reader
from orchestrator.executions.output import RunOutput
from orchestrator.executions.reader import read_report
from orchestrator.executions.request import Manners
from orchestrator.executions.result_check import MOST_VALUES, BrokenResult, checked_result
from orchestrator.executions.run import Run
from orchestrator.executions.state import Execution
from orchestrator.executions.written import written
from tests.unit.executions.heart_stage import NOW, request


def payload(data: Encodable, code: int = 0, kind: str = "Return") -> bytes:
    hashes = {"execution_hash": bytes(32), "small_hash": bytes(32)}
    return bytes((code,)) + encode({"kind": kind, "data": data, **hashes})


class OneResult:
    """A channel on which an executor reports."""

    def __init__(self, result: Result) -> None:
        self._result = result

    async def receive(self, _: object) -> Result:
        return self._result


async def test_a_large_result_is_looked_at_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(request("unix:///tmp/node"), manners=Manners(checked_result=True))
    execution = Execution(1, NOW, NOW + timedelta(minutes=1))
    run = Run(execution, asked, RunOutput(16, 2), written(asked).digest)
    threads = []

    def noting(found: bytes) -> bytes:
        threads.append(threading.current_thread())
        return checked_result(found)

    monkeypatch.setattr(reader, "checked_result", noting)
    large = payload([[]] * SMALL)
    control: Any = OneResult(Result(1, 0, large, True, {}))
    report: Any = await read_report(run, control, lambda _: None)
    assert report.payload == large
    assert threads != [threading.current_thread()]


def test_a_result_of_more_values_than_anybody_takes_is_broken() -> None:
    empty, of_many = encode([]), uleb.write(MOST_VALUES + 1 << 3 | 5) + encode([]) * (MOST_VALUES + 1)
    head, found, tail = payload({"list": []}).partition(b"\x04list" + empty)
    with pytest.raises(BrokenResult, match="too_many_items"):
        checked_result(head + found.removesuffix(empty) + of_many + tail)


@pytest.mark.parametrize("data", [1, [[1], {"a": [2]}], {"kind": "FatalVmError"}])
def test_a_result_passes_as_it_is_and_a_fatal_error_as_a_plain_one(data: Value) -> None:
    assert checked_result(payload(data)) == payload(data)
    plain = checked_result(payload(data, 4, "FatalVmError"))
    fields = decode(plain[1:])
    assert isinstance(fields, dict)
    assert (plain[0], fields["kind"], fields["data"]) == (2, "VmError", data)

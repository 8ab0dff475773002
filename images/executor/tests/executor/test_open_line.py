"""Jobs that leave the line to the contract: which one serves, and what decides it."""

from __future__ import annotations

from typing import Any

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, encode
from genvm_wire.host_tables import HOST_TABLES, Channel
from genvm_wire.instance_messages import Ack
from genvm_wire.results import parse
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, code_slot, contract_slot

from .chain import PINNED, Zygote
from .executor_process import CONTRACT, RUN, follow
from .later_chain import LaterChain, source
from .node_host import NodeHost

OLD = f"""{PINNED}from genlayer import *

class Old(gl.Contract):
    x: u256
    def __init__(self):
        pass
    @gl.public.write
    def go(self, *args):
        self.x += 1
        return ["old", self.x, *args]
"""
NEW = source('self.x += 1\nreturn ["new", self.x, *args]')


class OpenChain(LaterChain):
    """Its jobs are of the first line, unless the contract shows to be of the later one."""

    @staticmethod
    def work(at: Address, request: Encodable, **options: Encodable) -> dict[str, Encodable]:
        open_line: dict[str, Encodable] = {
            "contract_line": "v0.2",
            "executor_version": "v0.2.17",
            "other_lines": {"v0.3": "v0.3.0-rc7"},
        }
        return LaterChain.work(at, request, **(open_line | options))

    @property
    def said(self) -> list[Any]:
        return [one["message"] for one in self.report.log]


@pytest.fixture
def opened(zygote: Zygote) -> OpenChain:
    return OpenChain(zygote)


@pytest.mark.parametrize("key", ["", "method"])
@pytest.mark.parametrize(("code", "name"), [(OLD, "old"), (NEW, "new")])
def test_a_contract_is_served_by_its_own_line(opened: OpenChain, code: str, name: str, key: str) -> None:
    """From its deployment on, whichever key its caller has for the method."""
    opened.deploy(code)
    for count in (1, 2):
        assert opened._run(CONTRACT, {key: "go", "args": ["x"]}) == [name, count, "x"]
    turned = ["the contract is of line v0.3: served as v0.3.0-rc7"] if name == "new" else []
    assert opened.said == turned
    kept = contract_slot("v0.3" if name == "new" else "v0.2")
    assert opened.accounts[CONTRACT.raw][kept][:1] == b"\x02"


def test_what_a_contract_keeps_is_never_taken_for_its_code(opened: OpenChain) -> None:
    """Data of the later line lies where the first one has its code, and users write it."""
    fields = "text: gl.storage.Array[u8, __import__('typing').Literal[1000]]"
    opened.deploy(
        source("for i, one in enumerate(args[0]): self.text[i] = one\nreturn 'mine'", fields=fields)
    )
    forged = len(OLD).to_bytes(4, "little") + OLD.encode()
    assert opened.call("go", forged) == "mine"
    assert opened.accounts[CONTRACT.raw][code_slot("v0.2")][: len(forged)] == forged
    assert opened.call("go", b"") == "mine"


def test_code_that_has_moved_is_of_the_later_line(opened: OpenChain) -> None:
    opened.deploy(NEW)
    slots = opened.accounts[CONTRACT.raw]
    elsewhere = b"\x77" * 32
    slots[elsewhere] = slots.pop(code_slot("v0.3"))
    at = ROOT_FIELDS["v0.3"].code_slot
    assert at is not None
    slots[ROOT_SLOT] = bytearray(bytes(at) + elsewhere).ljust(96, b"\0")
    assert opened.call("go") == ["new", 1]


def test_a_job_of_one_line_stays_there(opened: OpenChain) -> None:
    opened.deploy(NEW)
    ended = opened.failure("go", other_lines={})
    assert ended.data == "invalid_contract absent_runner_comment"


@pytest.mark.parametrize("table", ["T15a", "T15b", "T9w", "T8"])
def test_nodes_of_every_age_run_contracts_of_the_later_line(zygote: Zygote, table: str) -> None:
    spoken = HOST_TABLES[table]
    node = NodeHost(spoken)
    node.slots[code_slot("v0.3")] = bytearray(len(NEW).to_bytes(4, "little") + NEW.encode())
    node.calldata = encode({"method": "go", "args": [5]})
    given = None if spoken.calldata is Channel.HOST else node.calldata
    channel = zygote.connection()
    try:
        width = spoken.fuel_width
        work = OpenChain.work(CONTRACT, None, host_table=table, fuel_width=width, calldata=given)
        channel.send(work, [node.executor_side.fileno()])
        report = follow(channel)
        channel.send(Ack(RUN).as_map())
    finally:
        channel.close()
        node.close()
    assert parse(report.payload, spoken.result_form).data == ["new", 1, 5]

"""A contract's questions to the llm and web modules (modules 1; contract-runtime 6.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from genvm_wire.calldata import Encodable, decode, encode
from genvm_wire.host_tables import HOST_TABLES, Method
from genvm_wire.module_requests import EXHAUSTED
from genvm_wire.results import parse

from .executor_process import RUN, Executor, Report, call, job
from .module_peer import ModulePeer
from .node_host import NodeHost
from .test_python_contracts import contract

Ask = Callable[..., tuple[Report, ModulePeer, ModulePeer]]
HOST_DATA = json.dumps({"node_address": "0x01", "tx_id": "0x02"})
# modules 6: the worked bytes of S2.
HELLO = bytes.fromhex(
    "000000682e086761735f64617461060867656e766d5f69643909686f73745f64617461160c6e6f64655f61646472657373243078"
    "30310574785f696424307830321d696e697469616c5f74696d655f756e6974735f616c6c6f636174696f6e0104726f6c65344c65"
    "61646572"
)
PROMPT = bytes.fromhex(
    "000000550e0650726f6d707416077061796c6f61641e06696d61676573050670726f6d707424322b323f0f726573706f6e73655f"
    "666f726d617424746578741572656d61696e696e675f6675656c5f61735f67656e81a4e803"
)
ANSWER_4 = bytes.fromhex("0000001a0e024f6b160c636f6e73756d65645f67656e0104646174610c34")
BUDGET_GONE = bytes.fromhex(
    "0000003d0e024f6b160c636f6e73756d65645f67656e" + "f9" + "ff" * 35 + "7f" + "046461746104"
)
WEB_ANSWER = bytes.fromhex(
    "000000410e024f6b0e08726573706f6e73651e04626f647913686907686561646572730e0c636f6e74656e742d7479706553746578"
    "742f706c61696e06737461747573c10c"
)
PAGE_TEXT = bytes.fromhex("0000000d0e024f6b0e0474657874146869")
PAGE_IMAGE = bytes.fromhex("000000100e024f6b0e05696d6167652389504e47")
TLD_FORBIDDEN = bytes.fromhex(
    "000000450e09557365724572726f7216066361757365730d6c544c445f464f5242494444454e036374781603746c642c6c6f63616c"
    "0375726c7c687474703a2f2f612e6c6f63616c2f"
)
FATAL = bytes.fromhex("0000000e0e0a466174616c4572726f720c78")


def block(expression: str) -> str:
    """A contract whose leader evaluates this, in a non-deterministic block."""
    return contract(f"return gl.vm.run_nondet_unsafe(lambda: {expression}, lambda r: True)")


def ok(data: Encodable, consumed: int = 0) -> Encodable:
    return {"Ok": {"data": data, "consumed_gen": consumed}}


@pytest.fixture
def ask(executor: Executor, node: NodeHost) -> Iterator[Ask]:
    """Run a contract whose run is connected to modules that answer as told."""
    peers: list[ModulePeer] = []

    def run_contract(
        code: str, *, llm: Sequence[Encodable] = (), web: Sequence[Encodable] = (), **changes: Encodable
    ) -> tuple[Report, ModulePeer, ModulePeer]:
        node.store_code(code.encode())
        node.calldata = call("go")
        llm_peer, web_peer = ModulePeer(llm), ModulePeer(web)
        peers.extend((llm_peer, web_peer))
        executor.wait_ready()
        wanted = job(sockets=["host", "llm", "web"], host_data=HOST_DATA, **changes)
        sides = (node.executor_side, llm_peer.executor_side, web_peer.executor_side)
        executor.channel.send(wanted, [side.fileno() for side in sides])
        for side in sides:
            side.close()
        return executor.follow(), llm_peer, web_peer

    yield run_contract
    for peer in peers:
        peer.close()


class TestLlm:
    def test_hello_and_request_are_the_bytes_of_the_specification(self, ask: Ask, node: NodeHost) -> None:
        node.remaining_fuel = 1_000_000
        report, llm, web = ask(block("gl.nondet.exec_prompt('2+2?')"), llm=[ANSWER_4])
        assert report.value == "4", report.output
        assert llm.raw == HELLO + PROMPT
        assert (web.raw, llm.hello["genvm_id"]) == (b"", RUN)

    def test_fuel_is_asked_for_before_and_reported_after_each_prompt(self, ask: Ask, node: NodeHost) -> None:
        report, _, _ = ask(
            block("[gl.nondet.exec_prompt(p) for p in ('a', 'b')]"), llm=[ok("x", 5), ok("y", 7)]
        )
        assert report.value == ["x", "y"]
        fuel = [one for one in node.requests if one in {Method.REMAINING_FUEL, Method.CONSUME_FUEL}]
        assert fuel == [Method.REMAINING_FUEL, Method.CONSUME_FUEL] * 2
        assert node.consumed == [5, 7]

    def test_a_spent_budget_is_the_vm_error_timeout(self, ask: Ask) -> None:
        assert BUDGET_GONE[4:] == encode(ok("", EXHAUSTED))
        report, _, _ = ask(block("gl.nondet.exec_prompt('x')"), llm=[BUDGET_GONE])
        assert (report.code, report.value) == (2, "timeout")

    def test_a_json_answer_is_an_object_whose_fractions_are_text(self, ask: Ask) -> None:
        text = '{"i": 12345678901234567890, "f": 0.50, "l": [1, true, null]}'
        report, _, _ = ask(block("gl.nondet.exec_prompt('x', response_format='json')"), llm=[ok(text)])
        assert report.value == {"i": 12345678901234567890, "f": "0.50", "l": [1, True, None]}

    @pytest.mark.parametrize(
        "data",
        ["[1]", "no", "1", True, '{"a": NaN}', r'{"a": "\ud800"}', '{"a": ' + "[" * 200 + "]" * 200 + "}"],
    )
    def test_a_json_answer_that_is_no_object_ends_the_run_with_an_internal_error(
        self, ask: Ask, data: Encodable
    ) -> None:
        report, _, _ = ask(block("gl.nondet.exec_prompt('x', response_format='json')"), llm=[ok(data)])
        assert report.code == 3

    def test_an_error_of_the_module_can_be_caught(self, ask: Ask) -> None:
        body = """
def leader():
    try:
        gl.nondet.exec_prompt('x')
    except gl.nondet.NondetException as e:
        return e.args[0]['causes']
return gl.vm.run_nondet_unsafe(leader, lambda r: True)
"""
        error = {"UserError": {"causes": ["INVALID_IMAGE"], "ctx": {}}}
        report, _, _ = ask(contract(body), llm=[error])
        assert report.value == ["INVALID_IMAGE"], report.output

    def test_images_travel_as_bytes(self, ask: Ask) -> None:
        code = block(r"gl.nondet.exec_prompt('x', images=[b'\x89PNG', b'\xff\xd8'])")
        _, llm, _ = ask(code, llm=[ok("seen")])
        assert llm.requests[0]["Prompt"]["payload"]["images"] == [b"\x89PNG", b"\xff\xd8"]

    def test_a_third_image_is_refused_before_anybody_is_asked(self, ask: Ask) -> None:
        report, llm, _ = ask(block("gl.nondet.exec_prompt('x', images=[b'1', b'2', b'3'])"), llm=[ok("")])
        assert (report.value, llm.requests) == ("exit_code 1", [])

    def test_what_prompts_cost_is_in_the_newest_result(self, executor: Executor) -> None:
        """host-protocol 8.1: `llm_consumption`."""
        node, llm = NodeHost(HOST_TABLES["T9n"]), ModulePeer([ok("x", 5), ok("y", 2**200)])
        node.store_code(block("[gl.nondet.exec_prompt(p) for p in ('a', 'b')]").encode())
        executor.wait_ready()
        wanted = job(
            sockets=["host", "llm"], host_data=HOST_DATA, host_table="T9n", fuel_width=32, calldata=call("go")
        )
        executor.channel.send(wanted, [node.executor_side.fileno(), llm.executor_side.fileno()])
        node.executor_side.close()
        llm.executor_side.close()
        fields: Any = decode(executor.follow().payload[1:])
        # Consumption is told without an answer: the node has read it all only when its thread is over.
        node.close()
        llm.close()
        assert fields["llm_consumption"] == 5 + 2**200 == sum(node.consumed)

    def test_a_leader_asks_the_template_for_an_answer(self, ask: Ask) -> None:
        body = "return gl.eq_principle.prompt_non_comparative(lambda: 'in', task='t', criteria='c')"
        report, llm, _ = ask(contract(body), llm=[ok("out")])
        assert report.value == "out"
        template = {"template": "EqNonComparativeLeader", "task": "t", "criteria": "c", "input": "in"}
        assert llm.requests == [{"PromptTemplate": {"payload": template, "remaining_fuel_as_gen": 0}}]

    @pytest.mark.parametrize(("verdict", "disagreements"), [(True, []), (False, [0])])
    def test_a_validator_asks_the_template_for_a_verdict(
        self, ask: Ask, node: NodeHost, verdict: bool, disagreements: list[int]
    ) -> None:
        node.leader_results = [b"\x00" + encode("leader's")]
        body = "return gl.eq_principle.prompt_comparative(lambda: 'mine', principle='p')"
        report, llm, _ = ask(contract(body), llm=[ok(verdict)])
        assert (report.value, node.disagreements) == ("leader's", disagreements)
        payload = llm.requests[0]["PromptTemplate"]["payload"]
        assert payload == {
            "template": "EqComparative", "leader_answer": "leader's", "validator_answer": "mine",
            "principle": "p",
        }  # fmt: skip

    def test_a_verdict_that_is_no_bool_ends_the_run_with_an_internal_error(
        self, ask: Ask, node: NodeHost
    ) -> None:
        node.leader_results = [b"\x00" + encode("x")]
        body = "return gl.eq_principle.prompt_comparative(lambda: 'x', principle='p')"
        report, _, _ = ask(contract(body), llm=[ok("true")])
        assert report.code == 3


class TestWeb:
    def test_a_response_has_status_headers_and_body(self, ask: Ask) -> None:
        body = """
def leader():
    r = gl.nondet.web.get('https://example.com/')
    return [r.status, r.headers['content-type'], r.body]
return gl.vm.run_nondet_unsafe(leader, lambda r: True)
"""
        report, _, web = ask(contract(body), web=[WEB_ANSWER])
        assert report.value == [200, b"text/plain", b"hi"], report.output
        payload, size_limit = web.requests[0]["Request"]
        assert payload == {
            "method": "GET", "url": "https://example.com/", "headers": {}, "body": None, "sign": False
        }  # fmt: skip
        assert 0 < size_limit < 512 << 20

    def test_pages_are_text_or_a_picture(self, ask: Ask) -> None:
        code = block(
            "[gl.nondet.web.render('https://a.com', wait_after_loaded='500ms'),"
            " gl.nondet.web.render('https://a.com', mode='screenshot').raw]"
        )
        report, _, web = ask(code, web=[PAGE_TEXT, PAGE_IMAGE])
        assert report.value == ["hi", b"\x89PNG"], report.output
        assert [one["Render"][0]["wait_after_loaded"] for one in web.requests] == ["500ms", "0ms"]

    def test_what_the_module_refuses_can_be_caught(self, ask: Ask) -> None:
        body = """
def leader():
    try:
        gl.nondet.web.get('http://a.local/')
    except gl.nondet.NondetException as e:
        return e.args[0]
return gl.vm.run_nondet_unsafe(leader, lambda r: True)
"""
        report, _, _ = ask(contract(body), web=[TLD_FORBIDDEN])
        ctx = {"tld": "local", "url": "http://a.local/"}
        assert report.value == {"causes": ["TLD_FORBIDDEN"], "ctx": ctx}

    @pytest.mark.parametrize(
        "expression",
        [
            "gl.nondet.web.request('https://a.com', method='get')",
            "gl.nondet.web.request('https://a.com', method='TRACE')",
            "gl.nondet.web.render('https://a.com', mode='pdf')",
            "gl.nondet.web.render('https://a.com', wait_after_loaded='1h')",
            "gl.nondet.exec_prompt('x', response_format='xml')",
        ],
    )
    def test_what_no_module_knows_is_refused_before_anybody_is_asked(self, ask: Ask, expression: str) -> None:
        """contract-runtime 6: errno inval, not the internal error of a module that refuses."""
        report, llm, web = ask(block(expression), llm=[FATAL], web=[FATAL])
        assert (report.code, report.value) == (2, "exit_code 1")
        assert (llm.raw, web.raw) == (b"", b"")
        assert b"inval" in report.output["stderr"]

    def test_a_page_is_not_asked_for_when_little_memory_is_left(self, ask: Ask) -> None:
        """contract-runtime 9: 128 MiB for a page."""
        body = """
def leader():
    held = bytearray(400 << 20)
    return gl.nondet.web.render('https://a.com') + str(len(held))
return gl.vm.run_nondet_unsafe(leader, lambda r: True)
"""
        report, _, web = ask(contract(body), web=[PAGE_TEXT])
        assert (report.value, web.raw) == ("OOM", b"")


@pytest.mark.parametrize(
    "answer",
    [FATAL, b"\x00\x00\x00\x01\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x10half", encode({}), {"Else": 1}],
    ids=["fatal", "no calldata", "too long", "cut off", "no frame", "unknown"],
)
def test_whatever_a_module_cannot_answer_ends_the_run_with_an_internal_error(
    ask: Ask, answer: Encodable
) -> None:
    report, _, _ = ask(block("gl.nondet.exec_prompt('x')"), llm=[answer])
    assert report.code == 3
    assert report.exit_code == 0


def test_a_run_that_waits_for_a_module_ends_at_its_deadline(ask: Ask) -> None:
    report, _, _ = ask(block("gl.nondet.exec_prompt('x')"), llm=[None], deadline_ms=1500)
    assert (report.code, report.value) == (2, "timeout")
    assert report.seconds < 10


def test_modules_are_out_of_reach_outside_a_block(ask: Ask) -> None:
    body = "try:\n    gl.nondet.exec_prompt('hi')\nexcept SystemError as e:\n    return str(e)"
    report, llm, _ = ask(contract(body), llm=[ok("never")])
    assert "forbidden" in report.value
    assert llm.raw == b""


@pytest.mark.parametrize("table", ["T9w", "T8", "T9n"])
def test_the_role_follows_the_leaders_results_of_the_job(
    executor: Executor, directory: Path, table: str
) -> None:
    node = NodeHost(HOST_TABLES[table])
    judge = "lambda r: gl.nondet.exec_prompt('x') == r.calldata"
    node.store_code(contract(f"return gl.vm.run_nondet_unsafe(lambda: 0, {judge})").encode())
    llm = ModulePeer([ok("y")])
    executor.wait_ready()
    wanted = job(
        sockets=["host", "llm"], host_data=HOST_DATA, host_table=table, calldata=call("go"),
        fuel_width=HOST_TABLES[table].fuel_width, leader_nondet_results=[b"\x00" + encode("y")],
        extra={"gas_data": {"genPerTimeUnit": "3"}, "initial_time_units_allocation": 600},
    )  # fmt: skip
    executor.channel.send(wanted, [node.executor_side.fileno(), llm.executor_side.fileno()])
    node.executor_side.close()
    llm.executor_side.close()
    result = parse(executor.follow().payload, node.table.result_form)
    assert (result.data, result.nondet_disagreement) == ("y", None)
    hello = llm.hello
    assert (hello["role"], hello["gas_data"]) == ("Validator", {"genPerTimeUnit": "3"})
    assert hello["initial_time_units_allocation"] == 600
    node.close()
    llm.close()

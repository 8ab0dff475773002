"""Contracts that ask the modules, over real streams (spec: modules.md, 1.4-1.10; contract-sdk.md, 9, 10)."""

from __future__ import annotations

import pytest

from genvm_wire.calldata import encode
from genvm_wire.host_tables import HOST_TABLES, Method
from genvm_wire.module_messages import BUDGET_EXHAUSTED
from genvm_wire.results import parse

from .executor_process import RUN, call, job
from .fake_module import FakeModule, prompted
from .node_host import NodeHost
from .test_python_contracts import contract

HOST_DATA = '{"node_address":"0x01","tx_id":"0x02","budget":1.5}'
USER_ERROR = {"UserError": {"causes": ["TLD_FORBIDDEN"], "ctx": {"tld": "local"}}}
PAGE = {"Ok": {"response": {"status": 200, "headers": {"a": b"b"}, "body": b"hi"}}}


def nondet(body: str, top: str = "") -> str:
    """A contract whose method returns what a block of this body gives the leader."""
    inside = "\n".join(f"    {line}" for line in body.split("\n"))
    return contract(f"{top}\ndef block():\n{inside}\nreturn gl.vm.run_nondet_unsafe(block, lambda _: True)")


@pytest.fixture
def ask(executor, node):
    """Run a block's body with the given answers of the modules; the report, the llm and the web module."""
    opened = []

    def run(body, llm=(), web=(), **changes):
        node.store_code((body if "class C" in body else nondet(body)).encode())
        node.calldata = call("go")
        modules = {"llm": FakeModule(*llm), "web": FakeModule(*web)}
        opened.extend(modules.values())
        executor.wait_ready()
        executor.send_job(node, job(**{"host_data": HOST_DATA, **changes}), modules)
        return executor.follow(), modules["llm"], modules["web"]

    yield run
    for module in opened:
        module.close()


def test_a_prompt_goes_out_after_hello_and_its_text_comes_back(ask, node):
    node.fuel = 1_000_000
    report, llm, web = ask("return gl.nondet.exec_prompt('2+2?')", llm=[prompted("4", 17)])
    assert report.value == "4"
    assert llm.hello == {
        "genvm_id": RUN,
        "role": "Leader",
        "host_data": {"node_address": "0x01", "tx_id": "0x02", "budget": "1.5"},
        "gas_data": {},
        "initial_time_units_allocation": 0,
    }
    # modules.md, 6: "llm request (as above)".
    assert llm.raw[1].hex() == (
        "000000550e0650726f6d707416077061796c6f61641e06696d61676573050670726f6d707424322b323f0f726573706f6e73"
        "655f666f726d617424746578741572656d61696e696e675f6675656c5f61735f67656e81a4e803"
    )
    assert node.fuel_used == [17]
    fuel = [m for m in node.requests if m in {Method.REMAINING_FUEL, Method.CONSUME_FUEL}]
    assert fuel == [Method.REMAINING_FUEL, Method.CONSUME_FUEL]
    assert web.raw == []


def test_a_session_has_one_hello(ask):
    body = "return [gl.nondet.exec_prompt('a'), gl.nondet.exec_prompt('b')]"
    report, llm, _ = ask(body, llm=[prompted("1"), prompted("2")])
    assert (report.value, len(llm.raw)) == (["1", "2"], 3)


def test_json_is_parsed_by_the_executor_of_the_old_line(ask):
    text = '{"a": 1, "b": 0.5, "c": [true]}'
    body = "return gl.nondet.exec_prompt('x', response_format='json')"
    report, llm, _ = ask(body, llm=[prompted(text)])
    assert report.value == {"a": 1, "b": "0.5", "c": [True]}
    assert llm.requests[0]["Prompt"]["payload"]["response_format"] == "json"


@pytest.mark.parametrize("data", ["[1]", "no", "1", True])
def test_json_that_is_no_object_ends_the_run(ask, data):
    body = "return gl.nondet.exec_prompt('x', response_format='json')"
    report, _, _ = ask(body, llm=[prompted(data)])
    assert report.code == 3
    assert b"llm module's answer to ExecPrompt is no good" in report.payload


def test_images_travel_as_bytes(ask):
    body = "return gl.nondet.exec_prompt('x', images=[b'1', gl.nondet.Image(b'2')])"
    _, llm, _ = ask(body, llm=[prompted("ok")])
    assert llm.requests[0]["Prompt"]["payload"]["images"] == [b"1", b"2"]


def test_a_third_image_is_refused_before_anything_is_sent(ask):
    body = (
        "try:\n    gl.nondet.exec_prompt('x', images=[b'1', b'2', b'3'])\n"
        "except SystemError as e:\n    return str(e)"
    )
    report, llm, _ = ask(body)
    assert (report.value, llm.raw) == ("2: inval", [])


def test_a_user_error_can_be_caught(ask):
    body = (
        "try:\n    gl.nondet.web.get('http://a.local/')\n"
        "except gl.nondet.NondetException as e:\n    return e.args[0]"
    )
    report, _, _ = ask(body, web=[USER_ERROR])
    assert report.value == {"causes": ["TLD_FORBIDDEN"], "ctx": {"tld": "local"}}


def test_a_user_error_that_is_not_caught_ends_the_contract(ask):
    report, _, _ = ask("return gl.nondet.web.get('http://a.local/').status", web=[USER_ERROR])
    assert report.value == "exit_code 1"


def test_a_fatal_error_ends_the_run(ask):
    body = "try:\n    gl.nondet.exec_prompt('x')\nexcept BaseException:\n    return 'caught'"
    report, _, _ = ask(body, llm=[{"FatalError": "no backend"}])
    assert b"no backend" in report.payload
    assert b"caught" not in report.payload


def test_a_spent_budget_is_a_timeout(ask, node):
    report, _, _ = ask("return gl.nondet.exec_prompt('x')", llm=[prompted("", BUDGET_EXHAUSTED)])
    assert (report.value, node.fuel_used) == ("timeout", [])


@pytest.mark.parametrize("answer", [None, b"\xff\xff\xff\xff", b"\0\0\0\1\6", b"\0\0\0\2\6\6"])
def test_a_broken_stream_ends_the_run(ask, answer):
    report, _, _ = ask("return gl.nondet.exec_prompt('x')", llm=[answer])
    assert b"the llm module's stream broke" in report.payload


def test_a_web_request_carries_what_the_contract_gave(ask):
    body = (
        "r = gl.nondet.web.post('https://e.org/', body='x', headers={'K': 'v'})\n"
        "return [r.status, r.headers, r.body]"
    )
    report, _, web = ask(body, web=[PAGE])
    assert report.value == [200, {"a": b"b"}, b"hi"]
    payload, limit = web.requests[0]["Request"]
    assert payload == {
        "method": "POST",
        "url": "https://e.org/",
        "headers": {"K": b"v"},
        "body": b"x",
        "sign": False,
    }
    assert 100 << 20 < limit < 384 << 20  # three quarters of what is left of 512 MiB


@pytest.mark.parametrize(
    ("mode", "answer", "value"),
    [("text", {"text": "hi"}, "hi"), ("html", {"text": "<p>"}, "<p>"), ("screenshot", {"image": b"P"}, b"P")],
)
def test_a_page_is_rendered(ask, mode, answer, value):
    read = ".raw" if mode == "screenshot" else ""
    body = f"return gl.nondet.web.render('https://e.org/', mode='{mode}', wait_after_loaded='3s'){read}"
    report, _, web = ask(body, web=[{"Ok": answer}])
    assert report.value == value
    expected = {"mode": mode, "url": "https://e.org/", "wait_after_loaded": "3s"}
    assert web.requests[0]["Render"][0] == expected


def test_a_deterministic_vm_may_not_ask(ask):
    body = contract("try:\n    gl.nondet.exec_prompt('x')\nexcept SystemError as e:\n    return str(e)")
    report, llm, _ = ask(body, llm=[prompted("4")])
    assert (report.value, llm.raw) == ("6: forbidden", [])


def test_a_run_without_modules_says_which_one_it_needs(executor, node):
    node.store_code(nondet("return gl.nondet.exec_prompt('x')").encode())
    node.calldata = call("go")
    executor.wait_ready()
    executor.send_job(node, job(host_data=HOST_DATA))
    assert b"ExecPrompt needs the llm module" in executor.follow().payload


@pytest.mark.parametrize("host_data", ["", "[]", '{"secret"'])
def test_host_data_that_is_no_object_is_refused_and_not_repeated(ask, host_data):
    report, llm, _ = ask("return gl.nondet.exec_prompt('x')", host_data=host_data)
    assert (report.code, llm.raw) == (3, [])
    assert b"JSON object" in report.payload
    assert b"secret" not in report.payload


def test_a_cancelled_run_leaves_the_module_at_once(executor, node):
    node.store_code(nondet("return gl.nondet.exec_prompt('x')").encode())
    node.calldata = call("go")
    llm = FakeModule()
    executor.wait_ready()
    executor.send_job(node, job(host_data=HOST_DATA), {"llm": llm})
    assert llm.asked.wait(30)
    executor.channel.send({"kind": "cancel", "run": RUN})
    report = executor.follow()
    assert report.value == "timeout"
    assert llm.ended.wait(5)
    llm.close()


COMPARATIVE = contract("return gl.eq_principle.prompt_comparative(lambda: 'b', principle='p')")
NON_COMPARATIVE = contract(
    "return gl.eq_principle.prompt_non_comparative(lambda: 'in', task='t', criteria='c')"
)
RETURN_A = b"\0" + encode("a")
USER_FAILED = b"\1no"


def test_the_leader_of_prompt_comparative_asks_nobody(ask, node):
    report, llm, _ = ask(COMPARATIVE)
    assert (report.value, llm.raw, node.nondet) == ("b", [], {0: b"\0" + encode("b")})


@pytest.mark.parametrize(("same", "disagreements"), [(True, []), (False, [0])])
def test_a_validator_of_prompt_comparative_asks_the_model(ask, node, same, disagreements):
    node.leader_results = [RETURN_A]
    report, llm, _ = ask(COMPARATIVE, llm=[prompted(same)])
    template = {
        "template": "EqComparative",
        "leader_answer": "a",
        "validator_answer": "b",
        "principle": "p",
    }
    assert llm.requests[0]["PromptTemplate"]["payload"] == template
    assert (report.value, node.disagreements) == ("a", disagreements)


def test_a_validator_disagrees_with_a_leader_that_failed(ask, node):
    node.leader_results = [USER_FAILED]
    report, llm, _ = ask(COMPARATIVE)
    assert (report.code, report.value, llm.raw, node.disagreements) == (1, "no", [], [0])


def test_the_leader_of_prompt_non_comparative_lets_the_model_work(ask):
    report, llm, _ = ask(NON_COMPARATIVE, llm=[prompted("done")])
    template = {"template": "EqNonComparativeLeader", "task": "t", "criteria": "c", "input": "in"}
    assert (report.value, llm.requests[0]["PromptTemplate"]["payload"]) == ("done", template)


@pytest.mark.parametrize(("fits", "disagreements"), [(True, []), (False, [0])])
def test_a_validator_of_prompt_non_comparative_judges_the_output(ask, node, fits, disagreements):
    node.leader_results = [RETURN_A]
    report, llm, _ = ask(NON_COMPARATIVE, llm=[prompted(fits)])
    template = {
        "template": "EqNonComparativeValidator",
        "task": "t",
        "criteria": "c",
        "input": "in",
        "output": "a",
    }
    assert llm.requests[0]["PromptTemplate"]["payload"] == template
    assert (report.value, node.disagreements) == ("a", disagreements)


def test_a_template_answered_with_the_wrong_type_ends_the_run(ask, node):
    node.leader_results = [RETURN_A]
    report, _, _ = ask(COMPARATIVE, llm=[prompted("true")])
    assert b"it is no boolean" in report.payload


@pytest.mark.parametrize("name", ["T15b", "T9w", "T8", "T9n"])
@pytest.mark.parametrize("validates", [False, True], ids=["leader", "validator"])
def test_every_table_carries_a_block_that_asks(executor, name, validates):
    table = HOST_TABLES[name]
    node, llm = NodeHost(table), FakeModule(prompted("4", 5))
    body = "return gl.nondet.exec_prompt('x')"
    compare = f"def block():\n    {body}\nreturn gl.eq_principle.strict_eq(block)"
    node.store_code(contract(compare).encode())
    leader = [b"\0" + encode("4")]
    node.leader_results = leader if validates else None
    executor.wait_ready()
    executor.send_job(
        node,
        job(
            host_table=name,
            fuel_width=table.fuel_width,
            calldata=call("go"),
            host_data=HOST_DATA,
            leader_nondet_results=leader if validates and name != "T15b" else None,
        ),
        {"llm": llm},
    )
    report = executor.follow()
    result = parse(report.payload, table.result_form)
    assert (result.kind, result.data, node.disagreements) == ("Return", "4", [])
    assert node.fuel_used == [5]
    if name != "T15b":
        assert list(result.nondet_results) == leader
    assert llm.hello["role"] == ("Validator" if validates and name != "T15b" else "Leader")
    node.close()
    llm.close()

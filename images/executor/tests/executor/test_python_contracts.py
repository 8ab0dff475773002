"""What a node gets from a Python contract, over a real control socket and a real host socket (T15a)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from genvm_wire.calldata import encode
from genvm_wire.storage_layout import contract_slot

from .conftest import Run
from .executor_process import CONTRACT, SENDER, call
from .node_host import NodeHost

HEADER = '# v0.2.0\n# { "Depends": "py-genlayer:test" }\nfrom genlayer import *\n\n'
COUNTER = (
    HEADER
    + """
class Counter(gl.Contract):
    count: u256

    def __init__(self, start: int):
        self.count = u256(start)

    @gl.public.view
    def get(self) -> int:
        return self.count

    @gl.public.write
    def add(self, amount: int) -> int:
        self.count = u256(self.count + amount)
        return self.count
"""
)


def contract(body: str) -> str:
    """A contract whose public method `go` has this body."""
    indented = "\n".join(f"        {line}" for line in body.strip("\n").split("\n"))
    return (
        HEADER + f"class C(gl.Contract):\n    x: u256\n    @gl.public.write\n    def go(self):\n{indented}\n"
    )


def test_a_deployment_runs_the_constructor_and_writes_storage(run: Run, node: NodeHost) -> None:
    report = run(COUNTER, encode({"args": [5]}), message__is_init=True)
    assert (report.value, node.result, report.exit_code) == (None, b"\x00\x00", 0)
    assert node.slots[contract_slot("v0.2")][0] == 5


def test_a_call_reads_and_writes_storage_and_is_acknowledged(run: Run, node: NodeHost) -> None:
    node.slots[contract_slot("v0.2")] = bytearray(b"\x07".ljust(32, b"\0"))
    report = run(COUNTER, call("add", 5))
    assert (report.value, report.result.delivered) == (12, True)
    assert node.slots[contract_slot("v0.2")][0] == 12


def test_the_order_of_a_run_is_output_finishing_result(run: Run) -> None:
    report = run(contract("print('hello')\nreturn 1"), call("go"))
    assert report.kinds == ["output", "finishing", "result"]
    assert report.output["stdout"] == b"hello\n"


@pytest.mark.parametrize(
    ("body", "code", "value"),
    [
        pytest.param("raise gl.vm.UserError('bad')", 1, "bad", id="user error"),
        pytest.param("raise ValueError('x')", 2, "exit_code 1", id="uncaught exception"),
        pytest.param("import sys\nsys.exit(3)", 2, "exit_code 3", id="exit code"),
        pytest.param("import os\nos._exit(126)", 2, "exit_code 125", id="large exit code"),
        pytest.param("import os\nos._exit(0)", 0, None, id="exit without a result"),
        pytest.param("return [1, 'a', b'b', None]", 0, [1, "a", b"b", None], id="value"),
        pytest.param("def f(): f()\nf()", 2, "exit_code 1", id="recursion"),
        pytest.param("import os\nos.close(1)\nprint('x')\nreturn 2", 2, "exit_code 1", id="closed stdout"),
        pytest.param(
            "import os, _genlayer_wasi as w\nos.write(w.channel(), b'\\xff' * 100)\nreturn 3",
            0,
            3,
            id="garbage",
        ),
        pytest.param("x = []\nwhile True: x.append(bytes(1 << 24))", 2, "OOM", id="memory"),
        pytest.param("return open('/contract.py').read()[:6]", 0, "# v0.2", id="own source"),
        pytest.param("open('/x', 'w')", 2, "exit_code 1", id="read-only files"),
        pytest.param("import os\nreturn sorted(os.listdir('/'))", 0, ["contract.py", "py"], id="listing"),
        pytest.param("import time\nreturn int(time.time())", 0, 1767323045, id="transaction time"),
        pytest.param("import socket\nsocket.socket()", 2, "exit_code 1", id="no sockets"),
        pytest.param("import os\nreturn dict(os.environ).get('PATH')", 0, None, id="no host environment"),
    ],
)
def test_each_ending_has_its_result(run: Run, body: str, code: int, value: Any) -> None:
    report = run(contract(body), call("go"))
    assert (report.code, report.value) == (code, value), report.output


def test_an_error_leaves_no_effects(run: Run, node: NodeHost) -> None:
    node.balances[CONTRACT.raw] = 10
    body = (
        f"self.x = u256(9)\n"
        f"gl.get_contract_at(Address('{SENDER}')).emit(value=u256(3)).foo()\nraise ValueError"
    )
    report = run(contract(body), call("go"))
    assert report.code == 2
    assert (node.messages, bytes(node.slots[contract_slot("v0.2")])) == ([], b"")


def test_messages_reach_the_node_in_order(run: Run, node: NodeHost) -> None:
    body = f"gl.get_contract_at(Address('{SENDER}')).emit().foo(1)\nreturn 1"
    report = run(contract(body), call("go"))
    assert report.value == 1, report.output
    ((kind, address, calldata, extra),) = node.messages
    assert (kind, address, calldata) == ("post", SENDER.raw, encode({"method": "foo", "args": [1]}))
    assert extra == {"value": "0x0", "on": "finalized"}


def test_sending_more_than_the_balance_is_refused(run: Run, node: NodeHost) -> None:
    node.balances[CONTRACT.raw] = 10
    other = f"gl.get_contract_at(Address('{SENDER}'))"
    body = f"""
{other}.emit(value=u256(8)).foo()
try:
    {other}.emit(value=u256(3)).foo()
except SystemError as e:
    return [str(e), self.balance]
"""
    report = run(contract(body), call("go"))
    assert report.value == ["7: inbalance", 2], report.output


def test_a_flood_of_output_costs_the_manager_its_tail_only(run: Run) -> None:
    begun = time.monotonic()
    report = run(
        contract("for _ in range(3000): print('x' * 10000)\nreturn 1"), call("go"), output_limit=65536
    )
    assert report.value == 1
    assert report.stats["stdout_total"] == 3000 * 10001
    assert report.output["stdout"].endswith(b"x" * 10000 + b"\n")
    # All the time that it could send in, what the job took to be followed included.
    assert len(report.output["stdout"]) <= 65536 + (time.monotonic() - begun) * 4e6


def test_nothing_is_sent_when_no_output_is_wanted(run: Run) -> None:
    report = run(contract("print('x')\nreturn 1"), call("go"), output_limit=0)
    assert report.kinds == ["finishing", "result"]
    assert report.stats["stdout_total"] == 2


@pytest.mark.parametrize(
    ("code", "value"),
    [
        pytest.param("print(1)", "invalid_contract absent_runner_comment", id="no header"),
        pytest.param(b"\xff\xfe", "invalid_contract not_utf8_text", id="not text"),
        pytest.param("# { oops", "invalid_contract", id="broken json"),
        pytest.param('# { "Depends": "unknown:abc" }', "invalid_contract", id="unknown runner"),
        pytest.param('# v0.9.0\n# { "Depends": "py-genlayer:test" }', "version_too_big", id="newer"),
        pytest.param(b"", "invalid_contract absent_runner_comment", id="no contract"),
        pytest.param('# { "Depends": "py-genlayer:test" }\n)', "exit_code 1", id="syntax error"),
    ],
)
def test_code_that_is_no_contract_has_its_vm_error(run: Run, code: int, value: Any) -> None:
    report = run(code)
    assert (report.code, report.value) == (2, value), report.output


SECOND_GENERATION = "5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng"
FIRST_GENERATION = "1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print(1)", "does not begin with a runner comment"),
        ("# { oops", "the runner is not JSON"),
        ('# { "Depends": "unknown:abc" }', "the runner 'unknown:abc' is not installed"),
        ('# { "Depends": "py-genlayer" }', "must be NAME:HASH"),
        ('# { "Seq": [] }', "the runner starts nothing"),
        ('# { "Begin": 1 }', "'Begin' is unknown"),
        (f'# {{ "Depends": "py-genlayer:{SECOND_GENERATION}" }}', "import genlayer as gl"),
        ('# v0.3.0\n# { "Depends": "py-genlayer:test" }', "asks for v0.3.0"),
        (b"", "no contract at this address"),
        (b"\0asm\1\0\0\0\xff\xff", "the WebAssembly module is not valid"),
    ],
)
def test_refused_code_says_why_on_stderr_and_in_the_log(run: Run, code: int, reason: str) -> None:
    report = run(code)
    (record,) = report.log
    assert reason in report.output["stderr"].decode()
    assert (record["level"], reason in record["message"]) == ("error", True)


@pytest.mark.parametrize("version", ["v0.1.0", "v0.2.16", "v0.2.18", "v0.2.999"])
def test_any_release_of_the_line_is_welcome(run: Run, version: str) -> None:
    code = COUNTER.replace("# v0.2.0", f"# {version}")
    assert run(code, encode({"args": [5]}), message__is_init=True).code == 0


def test_a_contract_that_only_declares_a_model_for_embeddings_runs(run: Run) -> None:
    header = (
        f'# {{ "Seq": [{{ "Depends": "py-lib-genlayer-embeddings:{FIRST_GENERATION}" }},'
        f' {{ "Depends": "py-genlayer:{FIRST_GENERATION}" }}] }}\n'
    )
    body = "try:\n    import genlayer_embeddings\nexcept ImportError as e:\n    return str(e)"
    report = run(contract(body).replace(HEADER, header + "from genlayer import *\n"), call("go"))
    assert "a model for embeddings" in report.value, report.output


HOARD = "kept = []\nfor _ in range(1536):\n    kept.append(bytearray(b'x') * 2**20)"


def test_memory_page_by_page_ends_with_the_error_of_the_line(run: Run) -> None:
    report = run(contract(HOARD), call("go"))
    assert (report.code, report.value) == (2, "OOM"), report.output
    assert b"MemoryError" in report.output["stderr"]


def test_a_contract_may_catch_that_its_memory_is_used_up(run: Run) -> None:
    body = "\n".join(f"    {line}" for line in HOARD.split("\n"))
    report = run(
        contract(f"try:\n{body}\nexcept MemoryError:\n    del kept\n    return 'caught'"), call("go")
    )
    assert report.value == "caught", report.output


def test_a_locked_slot_is_forbidden_unless_the_sender_upgrades(run: Run, node: NodeHost) -> None:
    from genvm_wire.storage_layout import locked_slots_slot

    node.slots[locked_slots_slot("v0.2")] = bytearray(b"\1\0\0\0" + contract_slot("v0.2"))
    report = run(
        contract("try:\n    self.x = u256(1)\nexcept SystemError as e:\n    return str(e)"), call("go")
    )
    assert report.value == "6: forbidden", report.output


def test_writes_need_the_permission(run: Run) -> None:
    body = "try:\n    self.x = u256(1)\nexcept SystemError as e:\n    return str(e)"
    assert run(contract(body), call("go"), permissions="rscn").value == "6: forbidden"


def test_inner_vms_see_the_transaction_but_no_deployment(run: Run) -> None:
    seen = "lambda: [gl.message_raw['is_init'], gl.message_raw['entry_kind'], gl.message.sender_address]"
    body = f"seen = {seen}\nreturn [gl.vm.spawn_sandbox(seen).calldata, gl.vm.run_nondet_unsafe(seen, seen)]"
    code = contract(body).replace("@gl.public.write\n    def go", "def __init__")
    report = run(code, b"\x06", message__is_init=True)
    assert report.value == [[False, 1, SENDER], [False, 2, SENDER]]

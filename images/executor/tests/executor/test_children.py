"""VMs inside a VM (contract-runtime 6.3; host-protocol 9)."""

from __future__ import annotations

from genvm_wire.calldata import encode

from .conftest import Run
from .executor_process import CONTRACT, SENDER, call
from .node_host import NodeHost
from .test_python_contracts import COUNTER, contract

RETURN_7 = b"\x00" + encode(7)
BLOCK = """
def leader():
    return 7
def validator(result):
    return isinstance(result, gl.vm.Return) and result.calldata == 7
return gl.vm.run_nondet_unsafe(leader, validator)
"""


def test_a_sandbox_sees_the_callers_writes_and_merges_its_own_only_on_return(run: Run) -> None:
    body = """
self.x = u256(1)
def good():
    seen = int(self.x)
    self.x = u256(2)
    return seen
def bad():
    self.x = u256(3)
    raise gl.vm.UserError('no')
a = gl.vm.spawn_sandbox(good, allow_write_ops=True)
b = gl.vm.spawn_sandbox(bad, allow_write_ops=True)
return [a.calldata, b.message, int(self.x)]
"""
    report = run(contract(body), call("go"))
    assert report.value == [1, "no", 2], report.output


def test_a_sandbox_without_write_permission_is_refused_its_write(run: Run) -> None:
    body = """
def f():
    self.x = u256(2)
return gl.vm.spawn_sandbox(f).message
"""
    assert run(contract(body), call("go")).value == "exit_code 1"


def test_the_leader_computes_a_block_and_posts_its_result(run: Run, node: NodeHost) -> None:
    report = run(contract(BLOCK), call("go"))
    assert report.value == 7, report.output
    assert (node.nondet, node.disagreements) == ({0: RETURN_7}, [])


def test_a_validator_agrees_with_the_leaders_result(run: Run, node: NodeHost) -> None:
    node.leader_results = [RETURN_7]
    assert run(contract(BLOCK), call("go")).value == 7
    assert (node.nondet, node.disagreements) == ({}, [])


def test_a_validator_reports_its_disagreement_and_goes_on(run: Run, node: NodeHost) -> None:
    node.leader_results = [b"\x00" + encode(8)]
    assert run(contract(BLOCK), call("go")).value == 8
    assert node.disagreements == [0]


def test_a_synchronous_run_takes_the_leaders_result_unchecked(run: Run, node: NodeHost) -> None:
    node.leader_results = [b"\x00" + encode(8)]
    assert run(contract(BLOCK), call("go"), is_sync=True).value == 8
    assert node.disagreements == []


def test_a_leaders_vm_error_ends_the_caller(run: Run, node: NodeHost) -> None:
    body = "def f(): raise ValueError\nreturn gl.vm.run_nondet_unsafe(f, lambda r: True)"
    report = run(contract(body), call("go"))
    assert (report.code, report.value, node.nondet) == (2, "exit_code 1", {0: b"\x02exit_code 1"})


def test_a_block_cannot_write(run: Run) -> None:
    body = """
def f():
    try:
        gl.vm.run_nondet_unsafe(f, f)
    except SystemError as e:
        first = str(e)
    try:
        self.x = u256(4)
    except SystemError as e:
        return [first, str(e)]
return gl.vm.run_nondet_unsafe(f, lambda r: True)
"""
    assert run(contract(body), call("go")).value == ["6: forbidden", "6: forbidden"]


def test_a_prompt_without_a_module_ends_the_run_and_names_the_module(run: Run) -> None:
    body = "return gl.vm.run_nondet_unsafe(lambda: gl.nondet.exec_prompt('hi'), lambda r: True)"
    report = run(contract(body), call("go"))
    assert report.code == 3
    assert "llm module" in report.value


def test_a_prompt_outside_a_block_is_forbidden(run: Run) -> None:
    body = "try:\n    gl.nondet.exec_prompt('hi')\nexcept SystemError as e:\n    return str(e)"
    assert run(contract(body), call("go")).value == "6: forbidden"


def test_a_view_call_runs_the_other_contracts_code_on_its_storage(run: Run, node: NodeHost) -> None:
    node.store_code(COUNTER.encode(), SENDER.raw)
    node.accounts[SENDER.raw][_slot()] = bytearray(b"\x2a".ljust(32, b"\0"))
    report = run(contract(f"return gl.get_contract_at(Address('{SENDER}')).view().get()"), call("go"))
    assert report.value == 42, report.output


def test_a_view_call_cannot_write(run: Run, node: NodeHost) -> None:
    node.store_code(COUNTER.encode(), SENDER.raw)
    report = run(contract(f"return gl.get_contract_at(Address('{SENDER}')).view().add(1)"), call("go"))
    assert (report.code, report.value) == (2, "exit_code 1")


def test_a_call_to_an_account_without_code_ends_the_caller(run: Run, node: NodeHost) -> None:
    node.accounts[SENDER.raw] = type(node.slots)(bytearray)
    report = run(contract(f"return gl.get_contract_at(Address('{SENDER}')).view().get()"), call("go"))
    assert (report.code, report.value) == (2, "invalid_contract absent_runner_comment")


def _slot() -> bytes:
    from genvm_wire.storage_layout import contract_slot

    return contract_slot("v0.2")


def test_endless_nesting_ends_before_the_native_stack_does(run: Run) -> None:
    """Every level asks for the next one from deep inside its own stack: all of it is there at once."""
    body = """
def deep(levels, last):
    return last() if levels == 0 else list(map(lambda _: deep(levels - 1, last), [0]))[0]
def down():
    return deep(20, lambda: gl.vm.unpack_result(gl.vm.spawn_sandbox(down)))
return down()
"""
    report = run(contract(body), call("go"))
    assert (report.code, report.value) == (1, "vm error: OOM"), report.output


def test_what_a_contract_has_sent_is_missing_to_it_and_its_sandboxes_and_to_no_callee(
    run: Run, node: NodeHost
) -> None:
    """Also where it calls itself: a callee sees the balance that the node tells."""
    node.balances[CONTRACT.raw] = 10
    code = f"""# {{ "Depends": "py-genlayer:test" }}
from genlayer import *

class C(gl.Contract):
    @gl.public.write
    def go(self):
        gl.get_contract_at(Address('{SENDER}')).emit_transfer(value=u256(3))
        itself = gl.get_contract_at(gl.message.contract_address)
        inside = gl.vm.spawn_sandbox(lambda: self.balance).calldata
        return [self.balance, inside, itself.view().seen(), itself.balance]

    @gl.public.view
    def seen(self):
        return self.balance
"""
    report = run(code, call("go"))
    assert report.value == [7, 7, 10, 10], report.output

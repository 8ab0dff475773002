"""Entries, results, sub-VMs and messages behave as contract-sdk 2 and 7 to 11 and 14 say."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from genlayer.py import calldata
from genlayer.py.types import Address

from .contracts import HEADER, deploy, value_of
from .native import NativeHarness
from .vectors import STAGE_PICKLE, Step, VmEnd

OTHER = 'Address(b"\\x30" * 20)'


def block(harness: NativeHarness, body: str, before: str = "") -> VmEnd:
    """Deploy a contract with a field and a list, sub-VMs running for real."""
    harness.world = {"sub_vms": True}
    return deploy(harness, "n: u8\nnames: DynArray[str]", "self.n = 5\n" + textwrap.dedent(body), before)


def agreed(harness: NativeHarness) -> list[bool]:
    return [entry[1] for entry in harness.journal if entry[0] == "agreed"]


def test_a_sandbox_reads_live_storage_through_captured_views(harness: NativeHarness) -> None:
    outcome = block(
        harness,
        """
        self.names.append("x")
        extra = {"k": [1, 2]}
        names = self.names
        def inner():
            return [self.n, list(names), extra, gl.message.value, gl.message_raw["entry_kind"]]
        self.names.append("y")
        return gl.vm.unpack_result(gl.vm.spawn_sandbox(inner))
        """,
    )
    assert value_of(outcome) == [5, ["x", "y"], {"k": [1, 2]}, 0, 1]


def test_records_in_memory_travel_by_value(harness: NativeHarness) -> None:
    outcome = block(
        harness,
        """
        record = P("a", [1, 2])
        return gl.vm.spawn_sandbox(lambda: [record.name, list(record.ns)]).calldata
        """,
        """
        @allow_storage
        @dataclass
        class P:
            name: str
            ns: DynArray[u8]
        class Unused:
            def __init__(self, p: P): ...
        gl.storage.inmem_allocate(P, "", [])
        """,
    )
    assert value_of(outcome) == ["a", [1, 2]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("lambda: 5", "Return(calldata=5)"),
        ("fail", "UserError(message='no')"),
        ("lambda: 1 / 0", "VMError(message='exit_code 1')"),
        ("lambda: exit(3)", "VMError(message='exit_code 3')"),
        ("lambda: exit(0)", "Return(calldata=None)"),
        ("lambda: gl.advanced.user_error_immediate('now')", "UserError(message='now')"),
    ],
)
def test_a_sandbox_hands_over_how_it_ended(harness: NativeHarness, function: str, expected: str) -> None:
    outcome = block(
        harness,
        f"return repr(gl.vm.spawn_sandbox({function}))",
        "def fail(): raise gl.vm.UserError('no')",
    )
    assert value_of(outcome) == expected


@pytest.mark.parametrize(
    ("call", "value", "agreement"),
    [
        ("gl.vm.run_nondet_unsafe(lambda: (1, 2), lambda r: r.calldata == [1, 2])", [1, 2], True),
        ("gl.vm.run_nondet_unsafe(lambda: 1, lambda r: 1)", 1, False),
        ("gl.vm.run_nondet(lambda: 1, lambda r: True)", 1, True),
        ("gl.vm.run_nondet(lambda: 1, lambda r: False)", 1, False),
        ("gl.vm.run_nondet(lambda: 1, lambda r: 'yes')", 1, False),
        ("gl.vm.run_nondet(lambda: 1, lambda r: fail())", 1, False),
        ("gl.eq_principle.strict_eq(lambda: 'same')", "same", True),
        ("gl.eq_principle.strict_eq.lazy(lambda: 'same').get()", "same", True),
    ],
)
def test_validators_agree_by_their_function(
    harness: NativeHarness, call: str, value: Any, agreement: bool
) -> None:
    outcome = block(harness, f"return {call}", "def fail(): raise gl.vm.UserError('no')")
    assert value_of(outcome) == value
    assert agreed(harness) == [agreement]


@pytest.mark.parametrize(
    ("call", "agreement"),
    [
        ("gl.eq_principle.strict_eq(fail)", True),
        ("gl.vm.run_nondet(fail, lambda r: fail())", True),
        ("gl.vm.run_nondet(fail, lambda r: True)", False),
        ("gl.vm.run_nondet(fail, lambda r: fail(), compare_user_errors=lambda a, b: False)", False),
    ],
)
def test_user_errors_of_leaders_are_raised_and_compared(
    harness: NativeHarness, call: str, agreement: bool
) -> None:
    body = f"try:\n    {call}\nexcept gl.vm.UserError as e:\n    return e.message"
    outcome = block(harness, body, "def fail(): raise gl.vm.UserError('no')")
    assert value_of(outcome) == "no"
    assert agreed(harness) == [agreement]


def test_comparative_prompts_ask_for_both_answers(harness: NativeHarness) -> None:
    source = HEADER + (
        "class C(gl.Contract):\n    pass\ndef stage(data):\n"
        "    from genlayer.gl import eq_principle\n"
        "    return eq_principle._comparable(lambda: 7, 'alike', gl.vm._decode_result(data['leaders_result']))\n"  # noqa: E501
    )
    leader = b"\x00" + calldata.encode("6")
    step = Step(STAGE_PICKLE, 2, {"leaders_result": leader}, replies=[calldata.encode({"ok": True})])
    (outcome,) = harness.run(source, [step])
    assert value_of(outcome) is True
    assert calldata.decode(outcome.calls[0]) == {
        "ExecPromptTemplate": {
            "template": "EqComparative",
            "leader_answer": "6",
            "validator_answer": "7",
            "principle": "alike",
        }
    }


def test_deferred_calls_send_at_once_and_decode_later(harness: NativeHarness) -> None:
    source = HEADER + (
        "class C(gl.Contract):\n    def __init__(self):\n"
        f"        later = gl.get_contract_at({OTHER}).view().foo.lazy(1)\n"
        "        gl.trace('between')\n"
        "        return [later.get(), later.get()]\n"
    )
    step = Step(harness.encode({}), message={"is_init": True}, replies=[b"\x00" + calldata.encode(7)])
    (outcome,) = harness.run(source, [step])
    assert value_of(outcome) == [7, 7]
    assert [next(iter(calldata.decode(call))) for call in outcome.calls] == [
        "CallContract",
        "Trace",
        "Return",
    ]


def test_functions_at_exit_run_before_the_end(harness: NativeHarness) -> None:
    outcome = deploy(harness, "n: u8", "atexit.register(print, 'bye')", "import atexit")
    assert (outcome.kind, outcome.stdout) == ("Return", "bye\n")
    outcome = deploy(
        harness, "n: u8", "atexit.register(print, 'bye')\nraise gl.vm.UserError('no')", "import atexit"
    )
    assert (outcome.kind, outcome.data, outcome.stdout) == ("UserError", "no", "bye\n")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "no contract defined"),
        ("class C(", "SyntaxError"),
        ("from genlayer import *\nraise gl.vm.UserError('early')", "early"),
        ("from genlayer import *\nclass A(gl.Contract): ...\nclass B(gl.Contract): ...", "only one contract"),
        ("from genlayer import *\nclass A(gl.Contract): ...\nclass B(A): ...", "only one contract"),
    ],
)
def test_a_contract_that_cannot_be_loaded_ends_with_status_one(
    harness: NativeHarness, source: str, complaint: str
) -> None:
    (outcome,) = harness.run(source, [Step(harness.encode({}), message={"is_init": True})])
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert complaint in outcome.stderr


@pytest.mark.parametrize("entry", [b"", b"\x05", b"\x0e\x06method\x09", b"\xff" * 40])
def test_malformed_entry_data_ends_with_status_one(harness: NativeHarness, entry: bytes) -> None:
    source = HEADER + "class C(gl.Contract):\n    def __init__(self): pass\n"
    (outcome,) = harness.run(source, [Step(entry)])
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")


def test_the_method_may_come_under_the_empty_key(harness: NativeHarness) -> None:
    source = HEADER + "class C(gl.Contract):\n    @gl.public.view\n    def m(self): return 1\n"
    (outcome,) = harness.run(source, [Step(harness.encode({"": "m"}))])
    assert value_of(outcome) == 1


def test_a_user_error_that_is_not_text_ends_with_status_one(harness: NativeHarness) -> None:
    outcome = deploy(harness, "n: u8", "raise gl.vm.UserError(5)")
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert "2: inval" in outcome.stderr


def test_message_and_own_account(harness: NativeHarness) -> None:
    harness.world = {"self_balance": 11, "balances": {"30" * 20: 12}}
    outcome = deploy(
        harness,
        "n: u8",
        f"""
        other = gl.get_contract_at({OTHER})
        return [self.balance, self.address, other.balance, gl.message_raw["datetime"], gl.message.chain_id]
        """,
    )
    assert value_of(outcome) == [11, Address(b"\x01" * 20), 12, "2024-11-26T06:42:42.424242Z", 0]


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("gl.get_contract_at('0x' + '30' * 20)", "TypeError: address expected"),
        (f"gl.get_contract_at({OTHER}).emit_transfer(value=0)", "ValueError"),
        ("gl.message.timestamp", "AttributeError"),
        ("gl.nondet.exec_prompt('x')", "SystemError: 6: forbidden"),
        ("C(1)", "TypeError"),
    ],
)
def test_mistakes_say_what_is_wrong(harness: NativeHarness, statement: str, complaint: str) -> None:
    outcome = deploy(harness, "n: u8", statement)
    assert (outcome.kind, outcome.data) == ("VMError", "exit_code 1")
    assert complaint in outcome.stderr


def test_a_contract_constructed_by_hand_says_that_it_has_no_storage(harness: NativeHarness) -> None:
    outcome = deploy(harness, "n: u8", "object.__new__(C).n")
    assert "no storage behind it" in outcome.stderr


def test_evm_views_decode_their_reply(harness: NativeHarness) -> None:
    source = HEADER + (
        "@gl.evm.contract_interface\nclass G:\n    class View:\n"
        "        def total(self, a: Address, /) -> u256: ...\n    class Write:\n        pass\n"
        "class C(gl.Contract):\n    def __init__(self):\n"
        f"        return G({OTHER}).view().total({OTHER})\n"
    )
    step = Step(harness.encode({}), message={"is_init": True}, replies=[(77).to_bytes(32, "big")])
    (outcome,) = harness.run(source, [step])
    assert value_of(outcome) == 77


@pytest.mark.parametrize(
    "declaration",
    ["def m(self, a: u8) -> None: ...", "def m(self, a, /): ...", "def m(self, a: u8 = 1, /): ..."],
)
def test_evm_declarations_are_checked(harness: NativeHarness, declaration: str) -> None:
    before = f"@gl.evm.contract_interface\nclass G:\n    class Write:\n        {declaration}\n"
    outcome = deploy(harness, "n: u8", "pass", before)
    assert "AssertionError" in outcome.stderr


def test_tracebacks_name_the_contracts_file_and_line(harness: NativeHarness) -> None:
    outcome = deploy(harness, "n: u8", "self.n = 1\n\nraise ValueError('here')")
    assert "contract.py" in outcome.stderr
    assert "raise ValueError('here')" in outcome.stderr


def test_randomness_idiom_reads_the_start_message_again(harness: NativeHarness) -> None:
    outcome = deploy(harness, "n: u8", "os.lseek(0, 0, 0)\nreturn len(os.read(0, 100000)) > 100", "import os")
    assert value_of(outcome) is True


def test_warming_up_draws_no_seed_and_reads_no_message(harness: NativeHarness) -> None:
    outcome = deploy(
        harness,
        "n: u8",
        "return seen",
        "import sys\nimport json\nseen = ['random' in sys.modules, 'cloudpickle' in sys.modules]",
    )
    assert value_of(outcome) == [False, True]

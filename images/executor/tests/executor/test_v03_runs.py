"""Contracts of the second generation, from bytes to results: deployed and called over a real host socket."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import pytest

from genvm_wire.calldata import encode
from genvm_wire.host_tables import Method
from genvm_wire.storage_layout import contract_slot, upgraders_slot

from .chain import BOB, Zygote
from .executor_process import CONTRACT, SENDER, Executor
from .later_chain import LATER, TABLE, Ended, LaterChain, source
from .later_vectors import VECTORS
from .node_host import NodeHost


@pytest.fixture
def later(zygote: Zygote) -> LaterChain:
    return LaterChain(zygote)


TALLY = (
    LATER
    + """
import genlayer as gl
from genlayer.types import *


@gl.storage.allow
class Vote:
    choice: str
    weight: u32


class Tally(gl.contract.Contract):
    owner: Address
    votes: gl.storage.TreeMap[Address, Vote]
    log: gl.storage.DynArray[str]

    def __init__(self, name: str):
        self.owner = gl.message.sender_address
        self.log.append(name)

    @gl.public.write
    def vote(self, choice: str, weight: int = 1) -> int:
        vote = self.votes.get_or_insert_default(gl.message.sender_address)
        vote.choice, vote.weight = choice, weight
        self.log.append(choice)
        return len(self.votes)

    @gl.public.view
    def result(self) -> dict[str, int]:
        found = {}
        for vote in self.votes.values():
            found[vote.choice] = found.get(vote.choice, 0) + vote.weight
        return found

    @gl.public.write
    def undo(self) -> str:
        if gl.message.sender_address != self.owner:
            raise gl.vm.UserError({"need": self.owner, "code": 403})
        return self.log.pop()
"""
)


def test_a_contract_deploys_writes_reads_and_refuses(later: LaterChain) -> None:
    later.deploy(TALLY, "first")
    assert later.call("vote", "tea", 3) == 1
    assert later.call("vote", "coffee", sender=BOB) == 2
    assert later.call("result", permissions="rcn") == {"tea": 3, "coffee": 1}
    refused = later.failure("undo", sender=BOB)
    assert (refused.kind, refused.data) == ("UserError", {"need": SENDER, "code": 403})
    assert later.call("undo") == "coffee"
    assert later.accounts[CONTRACT.raw][contract_slot("v0.3")][:20] == SENDER.raw


def test_the_aliases_are_the_library_of_the_executors_line(later: LaterChain) -> None:
    pinned = LATER.splitlines()[1]
    for alias in ("test", "latest"):
        later.deploy(TALLY.replace(pinned, f'# {{ "Depends": "py-genlayer:{alias}" }}'), "x", debug=True)
        assert later.call("vote", "tea") == 1
        later.accounts.clear()


IDS = {
    "5jycge4q8k23462jtb0b9fyey1s9qz928sz2nbrd9mg4sxqg2qng": None,
    "ab6tscafgsf7h0rndg7c86qxb8htdc719qbxdjssak9t69153et0": None,
    "9b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p0": "installed: py-genlayer:5jycge4q8k23462j",
    "9b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p1": "is no hash in GVM32",
    "1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6": "contract line v0.2",
    "1zr6nqk597d97kg0dyxg0shhrykx5v02zjgnyrajapy4wlqvfvwh": "is no hash in GVM32",
    "abc": "is no hash in GVM32",
    "test": "is for debug mode",
}


@pytest.mark.parametrize(("runner", "reason"), IDS.items(), ids=[one[:8] for one in IDS])
def test_the_runners_id_decides_and_an_unknown_one_is_refused_by_name(
    later: LaterChain, runner: str, reason: str | None
) -> None:
    code = TALLY.replace(LATER, f'# {{ "Depends": "py-genlayer:{runner}" }}\n')
    if reason is None:
        later.deploy(code, "x", debug=False)
        return
    with pytest.raises(Ended) as caught:
        later.deploy(code, "x", debug=False)
    ended = caught.value
    assert runner in ended.log and reason in ended.log, str(ended)
    assert ended.data == "invalid_contract runner malformed"


def test_sandboxes_keep_to_what_they_are_allowed(later: LaterChain) -> None:
    body = """
def write():
    self.x = 7
    return int(self.x)
def fail():
    raise gl.vm.UserError([1])
refused = gl.vm.spawn_sandbox(write)
allowed = gl.vm.spawn_sandbox(write, allow_write_storage=True)
failed = gl.vm.spawn_sandbox(fail)
return [refused.message, allowed.calldata, int(self.x), failed.data, str(failed), repr(failed)]
"""
    later.deploy(source(body))
    assert later.call("go") == ["exit_code 1", 7, 7, [1], "UserError([1])", "UserError()"]


def test_the_last_byte_of_a_slot_is_its_own(later: LaterChain) -> None:
    """The list `slots.edge`: nothing is kept, since a run that does not return writes nothing."""
    body = """
slot, seen = gl.storage.Root.get().get_vacant_slot(), []
for one in args[0]:
    try:
        if one["op"] == "read":
            slot.read(one["offset"], one["len"])
        else:
            slot.write(one["offset"], bytes.fromhex(one["data"]))
        seen.append("ok")
    except SystemError as error:
        seen.append(f"SystemError {error}")
raise gl.vm.UserError(seen)
"""
    later.deploy(source(body))
    edge = VECTORS["slots"]["edge"]
    assert later.failure("go", edge).data == [one["outcome"] for one in edge]


CALLEE = source("exit(3)").replace(
    "    @gl.public.write",
    "    @gl.public.view\n    def no(self): raise gl.vm.UserError({'c': 4})\n    @gl.public.write",
)


@pytest.mark.parametrize(
    ("call", "kind", "data"),
    [
        ("gl.contract.get_at(args[0]).view().go()", "VmError", "exit_code 3"),
        (
            "str(gl.contract.get_at(args[0]).view(catch_vm_error=True).go())",
            "Return",
            'VMError("exit_code 3")',
        ),
        ("gl.contract.get_at(args[0]).view().no()", "UserError", {"c": 4}),
    ],
    ids=["not caught", "caught", "user error"],
)
def test_how_a_callee_fails_is_the_callers_to_see_if_it_asks(
    later: LaterChain, call: str, kind: str, data: object
) -> None:
    later.deploy(CALLEE, at=BOB)
    later.deploy(source(f"return {call}"))
    if kind == "Return":
        assert later.call("go", BOB) == data
    else:
        ended = later.failure("go", BOB)
        assert (ended.kind, ended.data) == (kind, data)


def test_a_callee_whose_error_is_fatal_ends_its_caller(later: LaterChain) -> None:
    block = "return gl.vm.run_nondet(lambda: 1, lambda r: True, catch_vm_error=True)"
    later.deploy(source(block))
    ended = later.failure("go", leader_nondet_results=[b"\x00\xff"])
    assert (ended.kind, ended.data) == ("VmError", "leader_fault nondet_output malformed")
    assert later.disagreements == [0]


@pytest.mark.parametrize(
    ("code", "end"),
    [
        ("print(1)", "invalid_contract runner absent"),
        ("# { oops\n", "invalid_contract runner malformed"),
        (f"{LATER}import genlayer as gl\nclass C(gl.contract.Contract): ...", None),
        (f"{LATER}import genlayer as gl\nraise gl.vm.UserError(1)", "exit_code 1"),
        (f"{LATER}import genlayer as gl\ngl.Contract", "exit_code 1"),
        (f"{LATER}import genlayer.gl", "exit_code 1"),
    ],
    ids=["no comment", "no JSON", "no constructor", "raises", "an old name", "an old module"],
)
def test_how_a_deployment_ends(later: LaterChain, code: str, end: str | None) -> None:
    if end is None:
        assert later.deploy(code) is None
        return
    with pytest.raises(Ended) as caught:
        later.deploy(code)
    assert (caught.value.kind, caught.value.data) == ("VmError", end)


def test_a_locked_slot_is_forbidden_unless_the_sender_upgrades(later: LaterChain) -> None:
    body = """
try:
    gl.storage.Root.get().code_slot = 5
except SystemError as error:
    return str(error)
"""
    later.deploy(source(body))
    assert later.call("go") == "6: forbidden"


def _result(value: object) -> bytes:
    return b"\x00" + encode(value)  # type: ignore[arg-type]


VOTES = [
    ("run_nondet", "lambda: 1", "lambda r: True", _result(1), True),
    ("run_nondet", "lambda: 1", "lambda r: 1", _result(1), False),
    ("run_nondet", "lambda: 1", "lambda r: True", b"\x01" + encode("x"), True),
    ("run_nondet", "lambda: 1", "lambda r: 1 / 0", _result(1), False),
    ("run_nondet_default", "lambda: 1", "lambda r: True", _result(1), True),
    ("run_nondet_default", "lambda: 1", "lambda r: 1", _result(1), False),
    ("run_nondet_default", "lambda: 1", "lambda r: fail()", _result(1), False),
    ("run_nondet_default", "lambda: 1", "lambda r: 1 / 0", b"\x02exit_code 1 # a", True),
    ("run_nondet_default", "lambda: 1", "lambda r: True", b"\x02exit_code 1", False),
    ("run_nondet_default", "lambda: 1", "lambda r: fail()", b"\x01" + encode("x"), False),
    ("strict_eq", "lambda: fail()", None, b"\x01" + encode("x"), True),
    ("strict_eq", "lambda: 1 / 0", None, b"\x02exit_code 1 # a", False),
    ("strict_eq", "lambda: True", None, _result(1), True),
]


@pytest.mark.parametrize("vote", VOTES, ids=lambda vote: f"{vote[0]}-{vote[2]}-{vote[3][:8]!r}")
def test_validators_vote_as_upstream(
    later: LaterChain, vote: tuple[str, str, str | None, bytes, bool]
) -> None:
    """The list `validator_votes`, entry by entry; the leader's user error of 9.4 among them."""
    function, leader, validator, given, agrees = vote
    call = f"gl.eq_principle.strict_eq({leader})" if validator is None else None
    call = call or f"gl.vm.{function}({leader}, {validator}, catch_vm_error=True)"
    top = "def fail(): raise gl.vm.UserError('x')"
    body = f"try:\n    return str({call})\nexcept gl.vm.UserError as error:\n    return str(error)"
    later.deploy(source(body, top))
    if given[0] == 2 and validator is None:
        assert later.failure("go", leader_nondet_results=[given]).data == given[1:].decode()
    else:
        later.call("go", leader_nondet_results=[given])
    told = later.disagreements
    assert told == ([] if agrees else [0])


def test_the_clock_of_a_block_is_the_nodes(later: LaterChain) -> None:
    body = """
inside = gl.vm.run_nondet(lambda: int(gl.vm.get_timestamp().timestamp()), lambda r: True)
return [gl.vm.get_timestamp().isoformat(), inside]
"""
    later.deploy(source(body))
    before = int(time.time())
    outside, inside = later.call("go")
    assert outside == "2026-01-02T03:04:05+00:00"
    assert before <= inside <= time.time()


FEES = """
P = gl.chain.InternalMessageParams(5, 5, 1024, [4] * 5, 2, 20, 20)
def send(fees):
    try:
        gl.contract.get_at(Address(b"0" * 20)).emit(use_balance=True, fee_params=fees).foo(1)
        return "sent"
    except SystemError as error:
        return str(error)
"""


def test_a_balance_pays_once_the_contract_has_let_it(later: LaterChain) -> None:
    """contract-sdk-v03 13: read at the start of a run."""
    body = """
gl.storage.Root.get().set_permission(gl.vm.ABI.Permissions.CAN_USE_BALANCE_FOR_MESSAGE_FEES, True)
nothing, free = dataclasses.replace(P, rotations=[]), dataclasses.replace(P, max_price_gen_per_time_unit=0)
return [send(P), send(nothing), send(free)]
"""
    later.deploy(source(body, f"import dataclasses\n{FEES}"))
    # The root is locked: only whoever may upgrade writes permissions.
    upgraders = bytearray((1).to_bytes(4, "little") + SENDER.raw)
    later.accounts[CONTRACT.raw][upgraders_slot("v0.3")] = upgraders
    assert later.call("go") == ["6: forbidden"] * 3
    assert later.call("go") == ["sent", "2: inval", "2: inval"]
    (emission,) = later.result.emissions
    assert isinstance(emission, dict) and emission["use_balance"] is True
    assert emission["fee_params"]["leader_timeunits_allocation"] == 5  # type: ignore[index, call-overload]


NAMES: dict[str, dict[str, Any]] = {
    "gl.contract.get_at(T).emit(value=3, on='decided').foo(1)": {
        "type": "InternalMessage", "on": "decided", "value": 3, "calldata": {"": "foo", "args": [1]},
    },
    "gl.contract.deploy(code=b'abc', salt_nonce=7)": {
        "type": "InternalDeployMessage", "on": "finalized", "code": b"abc", "salt_nonce": 7, "calldata": {},
    },
    "gl.evm.Account(T).emit_call(4, b'12')": {"type": "ExternalMessage", "calldata": b"12", "value": 4},
    "gl.chain.Event.emit_raw([bytes(32)], {'k': 1})": {
        "type": "Event", "blob": {"k": 1}, "topics": [bytes(32)],
    },
}  # fmt: skip


def test_what_it_sends_is_what_nodes_of_its_generation_read(later: LaterChain) -> None:
    later.balances[CONTRACT.raw] = 100
    later.deploy(source("\n".join(NAMES), "T = Address(b'0' * 20)"))
    later.call("go", message__transaction_timestamp="2026-01-02T03:04:05Z")
    for emission, (expression, wanted) in zip(later.result.emissions, NAMES.items(), strict=True):
        assert isinstance(emission, dict)
        assert {key: emission[key] for key in wanted} == wanted, expression
        keys = next(one["keys"] for one in VECTORS["emissions"] if one.get("type") == emission["type"])
        assert sorted(emission) == sorted(keys)


def test_registered_code_runs_in_a_sandbox_and_nowhere_else(later: LaterChain) -> None:
    body = """
import cloudpickle
own = gl.vm.register_runner(args[0])
found = gl.vm.spawn_runner(own, cloudpickle.dumps(lambda: open("/contract.py").read()[-8:]))
gl.vm.map_file(own, "file", "/copy/of.py")
gl.vm.map_file("contract", "file", "/copy/own.py")
none = gl.vm.spawn_sandbox(lambda: len(gl.vm.spawn_runner(own, b"").message), custom_runners=[])
copies = open("/copy/of.py").read()[-8:], "register" in open("/copy/own.py").read()
return [own, found.calldata, *copies, none.message]
"""
    code = (LATER + "import genlayer\nX = 42 #").encode()
    later.deploy(source(body))
    own, *rest = later.call("go", code)
    assert own.startswith("custom:")
    assert rest == ["X = 42 #", "X = 42 #", True, "invalid_contract runner malformed"]


@pytest.mark.parametrize(
    "call",
    [
        "gl.vm.spawn_runner('py-genlayer:9b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p0', b'')",
        "gl.vm.spawn_runner('custom:yn1hm19g13tqxzyp0dphfy63jgwtws8hyg3xsqb2vf7jfvjd9d60', b'')",
        "gl.vm.spawn_runner('contract:abc', b'')",
        "gl.vm.spawn_runner('chain:5b38da6a701c568545dcfcb03fcb875f56beddc4', b'')",
        "gl.vm.map_file('py-genlayer:9b8kjyda2ycxyq4ea6g4yfpnydxhd52gqba5rb8dw7krkh5mn9p0', 'x', '/x')",
        "gl.vm.map_file('contract', 'file', '/vm/x')",
        "gl.vm.map_file('contract', 'file', '/a/../x')",
        "gl.vm.map_file('contract', 'nothing', '/x')",
        "gl.vm.register_runner(b'abc')",
        "gl.vm.spawn_sandbox(lambda: 1, custom_runners=['custom:abc'])",
    ],
)
def test_a_runner_that_is_none_ends_the_vm_that_named_it(later: LaterChain, call: str) -> None:
    later.deploy(source(f"found = {call}\nreturn getattr(found, 'message', 'nothing')"))
    assert later.failure("go").data == "invalid_contract runner malformed"


def many_files() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("runner.json", '{"StartWasm": "none"}')
        for number in range(5000):
            archive.writestr(f"many/{number}", "")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            "for number in range(65):\n    gl.vm.register_runner(args[0] + bytes([48 + number]) * (1 << 20))",
            (LATER + "x = 1 #").encode(),
        ),
        (
            "own = gl.vm.register_runner(args[0])\n"
            "for number in range(20):\n    gl.vm.map_file(own, 'many/', f'/{number}/')",
            many_files(),
        ),
    ],
    ids=["packages", "files"],
)
def test_what_a_contract_makes_its_executor_keep_is_bounded(
    later: LaterChain, body: str, code: bytes
) -> None:
    """That memory is beside the VM's: without a bound the container ended, instead of the VM."""
    later.deploy(source(body))
    assert later.failure("go", code).data == "out_of memory"


@pytest.mark.parametrize("vector", VECTORS["runner_id_parse"], ids=lambda one: one["id"][:30])
def test_ids_are_read_as_upstream_reads_them(later: LaterChain, vector: dict[str, str]) -> None:
    """The list `runner_id_parse`; whichever is a runner starts, and finds no pickle in its entry."""
    later.deploy(source(f"return gl.vm.spawn_runner({vector['id']!r}, b'').message"))
    if vector["outcome"].startswith("ok"):
        assert later.call("go") == "exit_code 1"
    else:
        ended = later.failure("go", debug=False)
        assert ended.data == "invalid_contract runner malformed"


def test_a_block_registers_nothing(later: LaterChain) -> None:
    body = """
def register():
    try:
        gl.vm.register_runner(args[0])
    except SystemError as error:
        return str(error)
return gl.vm.run_nondet(register, lambda r: True)
"""
    later.deploy(source(body))
    assert later.call("go", LATER.encode()) == "6: forbidden"


def test_the_code_of_another_contract_is_a_runner(later: LaterChain) -> None:
    body = """
import cloudpickle
find = cloudpickle.dumps(lambda: __import__("contract").ANSWER)
ids = [gl.vm.RunnerIDOps.new_chain(args[0]), gl.vm.RunnerIDOps.new_chain(args[0], "f")]
return [gl.vm.spawn_runner(one, find).calldata for one in ids]
"""
    later.deploy(source("pass", "ANSWER = 42"), at=BOB)
    later.deploy(source(body))
    assert later.call("go", BOB) == [42, 42]
    assert later.node.requests.count(Method.STORAGE_READ) > 0


ORDER = """
import random
seen = set("abcdefghij")
self.x = len(seen)
gl.chain.Event.emit_raw([bytes(32)], {"k": "".join(seen)})
return ["".join(seen), random.random().hex(), hash("a")]
"""


def test_a_run_is_the_same_fresh_and_forked_warm_and_cold(later: LaterChain, executor: Executor) -> None:
    later.deploy(source(ORDER, "import random"))
    payloads = []
    for _ in range(2):
        later.call("go")
        payloads.append(later.report.payload)
    node = NodeHost(TABLE, slots=later.accounts[CONTRACT.raw])
    executor.wait_ready()
    work = later.work(CONTRACT, {"": "go"})
    executor.send_job(node, work)
    payloads.append(executor.follow().payload)
    node.close()
    cold = LATER.replace('{ "Depends"', '{ "Seq": [{ "AddEnv": { "name": "A", "val": "b" } }, { "Depends"')
    cold = cold.rstrip().removesuffix("}") + "}] }\n"
    later.accounts.clear()
    later.deploy(source(ORDER, "import random").replace(LATER, cold))
    later.call("go")
    payloads.append(later.report.payload)
    assert payloads == [payloads[0]] * 4

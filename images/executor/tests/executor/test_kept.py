"""What a run makes its executor keep until it ends, which is beside its VMs' memory."""

from __future__ import annotations

import pytest

from genvm_executor.requests import kept
from genvm_wire.calldata import Encodable, encode

from .chain import PINNED, Chain, Failed, Zygote
from .executor_process import SENDER
from .later_chain import LaterChain, source

MIB = 1 << 20
LONG = b"x" * MIB
MESSAGE: dict[str, Encodable] = {"address": SENDER, "value": 0, "on": "finalized"}
REQUESTS: dict[str, dict[str, Encodable]] = {
    "messages": {"PostMessage": {**MESSAGE, "calldata": {"args": [LONG]}}},
    "deployments": {
        "DeployContract": {
            "calldata": {"args": []},
            "code": LONG,
            "value": 0,
            "on": "accepted",
            "salt_nonce": 1,
        }
    },
    "calls": {"EthSend": {"address": SENDER, "calldata": LONG, "value": 0}},
    "events": {"EmitEvent": {"topics": [], "blob": {"a": LONG}}},
}
TOO_MANY = kept.MAX_KEPT // MIB
WRITE = "for at in range(args[0]):\n    wasi.storage_write(bytes([5] * 32), at << 20, bytes(1 << 20))"
MOST_WRITTEN = kept.MAX_KEPT // kept.WRITTEN_PAGE * 32 // MIB
RETURN = "return 'x' * (args[0] << 20)"
ASK = "for _ in range(args[0]):\n    wasi.gl_call(args[1])"
CASES: dict[str, tuple[str, int, list[Encodable]]] = {
    **{name: (ASK, TOO_MANY, [encode(request)]) for name, request in REQUESTS.items()},
    "pages": (WRITE, MOST_WRITTEN, []),
    "value": (RETURN, TOO_MANY, []),
}
"""What to do, how often it is too much, and with what."""


@pytest.fixture
def later(zygote: Zygote) -> LaterChain:
    return LaterChain(zygote)


@pytest.mark.parametrize("case", CASES)
class TestBound:
    """Without one the container ended, instead of the VM."""

    def test_of_the_later_line(self, later: LaterChain, case: str) -> None:
        body, count, given = CASES[case]
        later.deploy(source(body, "import _genlayer_wasi as wasi"))
        later.call("go", count - 1, *given)
        assert later.failure("go", count, *given).data == "out_of memory"

    def test_of_the_first_line(self, chain: Chain, case: str) -> None:
        body, count, given = CASES[case]
        inside = "\n".join(f"        {line}" for line in body.split("\n"))
        chain.deploy(
            f"{PINNED}import _genlayer_wasi as wasi\nfrom genlayer import *\n\n"
            "class C(gl.Contract):\n    x: u256\n    def __init__(self): ...\n"
            f"    @gl.public.write\n    def go(self, *args):\n{inside}\n"
        )
        with pytest.raises(Failed, match="OOM"):
            chain.call("go", count, *given)


def test_results_of_blocks_count(later: LaterChain) -> None:
    body = """
def block():
    return bytes(args[0] << 20)
for _ in range(4):
    gl.vm.run_nondet(block, lambda result: True)
"""
    later.deploy(source(body))
    later.call("go", TOO_MANY // 4 - 1)
    assert later.failure("go", TOO_MANY // 4).data == "out_of memory"


def test_a_sandbox_returns_what_is_not_kept(later: LaterChain) -> None:
    body = """
for _ in range(4):
    gl.vm.spawn_sandbox(lambda: bytes(args[0] << 20))
"""
    later.deploy(source(body))
    later.call("go", TOO_MANY // 4)

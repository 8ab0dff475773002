"""What an author of tests counts on without thinking. Run by `genvm-orchestrator test`."""

from datetime import datetime

import pytest

from orchestrator.testing import CallFailed

GEN = 10**18
CODE = b"""# { "Depends": "py-genlayer:test" }
from genlayer import *

class Talker(gl.Contract):
    log: DynArray[str]

    def __init__(self):
        print("hello from the constructor")

    @gl.public.write.payable
    def say(self, text: str) -> int:
        print("said:", text)
        return gl.message.value

    @gl.public.view
    def now(self) -> str:
        return gl.message_raw["datetime"]

    @gl.public.view
    def same(self, value: dict) -> dict:
        return value

    @gl.public.write
    def tell(self, other: Address, text: str):
        gl.get_contract_at(other).emit(on="accepted").hear(text)

    @gl.public.write
    def hear(self, text: str):
        self.log.append(text.strip())

    @gl.public.write
    def make(self, code: bytes):
        gl.deploy_contract(code=code, salt_nonce=1, on="accepted")
"""


@pytest.fixture
def talker(chain):
    return chain.deploy(CODE)


def test_what_a_contract_prints_is_among_the_test_s_output(talker, capsys):
    talker.call("say", "one\ntwo")
    assert capsys.readouterr().out == "contract say | said: one\ncontract say | two\n"
    with pytest.raises(CallFailed):
        talker.call("say", 5, 6)
    assert "contract say | Traceback (most recent call last):" in capsys.readouterr().err


def test_a_message_that_failed_says_so_with_its_place(chain, talker, capsys):
    talker.call("tell", talker, 5)
    out = capsys.readouterr().out
    assert f"message failed: hear(5) to {talker.address}" in out
    assert "  at contract:29, in hear: self.log.append(text.strip())" in out


def test_a_contract_stands_for_its_address(talker):
    value = {"a": [talker, {"b": talker}]}
    assert talker.view("same", value) == {"a": [talker.address, {"b": talker.address}]}


def test_any_amount_of_money_can_be_sent(talker):
    assert talker.call("say", "", value=50_000 * GEN) == 50_000 * GEN
    assert talker.balance == 50_000 * GEN


def test_a_moment_without_a_zone_is_one_of_utc(chain, talker):
    chain.now = datetime(2027, 2, 3)
    assert talker.view("now").startswith("2027-02-03T00:00:00")


def test_the_place_is_shown_of_contracts_that_a_contract_deployed(chain, talker):
    made = chain.at(talker.send("make", CODE).delivered[0].contract)
    with pytest.raises(CallFailed, match=r"at contract:29, in hear: self\.log\.append"):
        made.call("hear", 5)


class TestInAClass:
    @pytest.mark.parametrize("text", ["a", "b"])
    def test_fixtures_are_there(self, talker, text):
        assert talker.call("say", text) == 0

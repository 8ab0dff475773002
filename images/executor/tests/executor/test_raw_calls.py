"""Requests that contracts put together themselves, by the paths that published ones import for it."""

from __future__ import annotations

from genvm_wire.address import Address

from .chain import PINNED, Chain, Zygote, user_error
from .later_chain import LATER, LaterChain

TOKEN = Address(b"\x33" * 20)
FIRST = (
    PINNED
    + """
import genlayer.gl._internal.gl_call as gl_call
import genlayer.gl.vm
import genlayer.py.evm.calldata as abi
from genlayer import *
from genlayer.gl._internal.gl_call import gl_call_generic
from genlayer.gl.nondet import _decode_nondet
from genlayer.py.evm.calldata import MethodEncoder, decode

HELD = MethodEncoder("balanceOf", (Address,), u256)


class Holdings(gl.Contract):
    seen: u256

    @gl.public.write
    def look(self, token: Address) -> list:
        asked = HELD.encode_call((gl.message.sender_address,))
        request = {"EthCall": {"address": token, "calldata": asked}}
        self.seen = u256(gl_call_generic(request, HELD.decode_ret).get())
        again = gl.vm.gl_call.gl_call_generic(request, lambda raw: [type(raw) is bytes, decode(u256, raw)])
        same = [gl_call.gl_call_generic, abi.MethodEncoder] == [gl_call_generic, MethodEncoder]
        return [self.seen, *again.get(), same, _decode_nondet(gl.calldata.encode({"ok": [True]}))]

    @gl.public.write
    def send(self, to: Address) -> None:
        request = {"EthSend": {"address": to, "calldata": b"", "value": 0}}
        assert gl_call.gl_call_generic(request, lambda raw: None).get() is None

    @gl.public.write
    def refuse(self) -> None:
        gl_call.rollback("not today")

    @gl.public.write
    def give(self) -> int:
        gl_call.contract_return(7)
"""
)
LATER_ONE = (
    LATER
    + """
import genlayer as gl
import genlayer._internal.on_chain.gl_call as gl_call
import genlayer.evm.calldata as abi
from genlayer._internal.on_chain.gl_call import gl_call_generic
from genlayer.evm.calldata import MethodEncoder, decode
from genlayer.nondet import _decode_nondet
from genlayer.types import Address, u256

HELD = MethodEncoder("balanceOf", (Address,), u256)


class Holdings(gl.contract.Contract):
    seen: u256

    @gl.public.write
    def look(self, token: Address) -> list:
        asked = HELD.encode_call((gl.message.sender_address,))
        request = {"ExternalCall": {"address": token, "calldata": asked}}
        self.seen = gl_call_generic(request, HELD.decode_ret).get()
        again = gl.vm.gl_call.gl_call_generic(request, lambda raw: [type(raw) is bytes, decode(u256, raw)])
        same = [gl_call.gl_call_generic, abi.MethodEncoder] == [gl_call_generic, gl.evm.MethodEncoder]
        return [self.seen, *again.get(), same, _decode_nondet(gl.calldata.encode({"ok": [True]}))]

    @gl.public.write
    def send(self, to: Address) -> None:
        request = {"EmitExternalMessage": {"address": to, "calldata": b"", "value": 0}}
        assert gl_call.gl_call_generic(request, lambda raw: None).get() is None

    @gl.public.write
    def refuse(self) -> None:
        gl_call.user_error("not today")

    @gl.public.write
    def give(self) -> int:
        gl_call.contract_return(7)
"""
)


def test_contracts_ask_the_host_themselves_in_the_first_line(chain: Chain) -> None:
    chain.deploy(FIRST)
    seen, *rest = chain.call("look", TOKEN)
    assert [seen.to_bytes(32, "big")[:20], *rest] == [TOKEN.raw, True, seen, True, [True]]
    chain.call("send", TOKEN)
    assert [message[:3] for message in chain.node.messages] == [("eth", TOKEN.raw, b"")]
    assert user_error(chain, "refuse") == "not today"
    assert chain.call("give") == 7


def test_contracts_ask_the_host_themselves_in_the_second_line(zygote: Zygote) -> None:
    later = LaterChain(zygote)
    later.deploy(LATER_ONE)
    seen, *rest = later.call("look", TOKEN)
    assert [seen.to_bytes(32, "big")[:20], *rest] == [TOKEN.raw, True, seen, True, [True]]
    later.call("send", TOKEN)
    assert (later.failure("refuse").kind, later.failure("refuse").data) == ("UserError", "not today")
    assert later.call("give") == 7

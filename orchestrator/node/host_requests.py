"""Reading and answering the host protocol's requests (host-protocol 3.4), for every table."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.host_tables import HostTable, Method, StorageView
from orchestrator.node.effects import Event, Message
from orchestrator.node.errors import HostBroken
from orchestrator.node.stage import Stage, StageFull

MAX_SLICE: Final = 72 * 1024 * 1024
MAX_READ: Final = 64 * 1024 * 1024
MAX_EXTRA: Final = 64 * 1024
"""Bytes of JSON beside a message: an amount, a number and a word."""
MAX_TOPICS: Final = 4
FUEL: Final = 2**60
OK: Final = b"\0"
_ABSENT: Final = b"\1"
_FORBIDDEN: Final = b"\2"


class HostRequests:
    """Answers one executor's requests on a run's stage. Raises HostBroken for malformed ones."""

    def __init__(self, stage: Stage, table: HostTable, fuel_width: int, reader: asyncio.StreamReader) -> None:
        self._stage = stage
        self._table = table
        self._fuel_width = fuel_width
        self._reader = reader
        self._answers: dict[Method, Callable[[], Awaitable[bytes]]] = {
            Method.GET_CALLDATA: self._get_calldata,
            Method.STORAGE_READ: self._storage_read,
            Method.STORAGE_WRITE: self._storage_write,
            Method.CONSUME_RESULT: self._consume_result,
            Method.GET_LEADER_NONDET_RESULT: self._leader_result,
            Method.POST_NONDET_RESULT: self._post_nondet,
            Method.POST_MESSAGE: self._post_message,
            Method.POST_EVENT: self._post_event,
            Method.CONSUME_FUEL: self._consume_fuel,
            Method.DEPLOY_CONTRACT: self._deploy,
            Method.ETH_CALL: self._eth_call,
            Method.ETH_SEND: self._eth_send,
            Method.GET_BALANCE: self._balance,
            Method.REMAINING_FUEL: self._remaining_fuel,
            Method.NOTIFY_NONDET_DISAGREEMENT: self._disagreement,
            Method.NOTIFY_FINISHED: self._finished,
            Method.RESOLVE_EXECUTOR: self._resolve,
        }

    async def answer(self, method: Method) -> bytes:
        """The reply to a request whose method id was just read; empty where there is none."""
        try:
            return await self._answers[method]()
        except StageFull:
            return _FORBIDDEN

    async def _take(self, length: int) -> bytes:
        return await self._reader.readexactly(length)

    async def _u32(self) -> int:
        return int.from_bytes(await self._take(4), "little")

    async def _slice(self, most: int = MAX_SLICE) -> bytes:
        length = await self._u32()
        if length > most:
            raise HostBroken(f"the executor announced {length} bytes, over the limit of {most}")
        return await self._take(length)

    async def _address(self) -> Address:
        return Address(await self._take(20))

    async def _extra(self) -> dict[str, Any]:
        raw = await self._slice(MAX_EXTRA)
        try:
            fields = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise HostBroken(f"the executor sent bad JSON: {error}") from None
        if not isinstance(fields, dict):
            raise HostBroken("the executor sent JSON that is no object")
        return fields

    async def _get_calldata(self) -> bytes:
        return OK + _sliced(self._stage.calldata)

    async def _storage_read(self) -> bytes:
        view = (await self._take(1))[0]
        address, slot = await self._address(), await self._take(32)
        offset, length = await self._u32(), await self._u32()
        if view not in set(StorageView) or length > MAX_READ:
            return _FORBIDDEN
        return OK + await asyncio.to_thread(self._stage.read, address, slot, offset, length)

    async def _storage_write(self) -> bytes:
        slot, offset, data = await self._take(32), await self._u32(), await self._slice()
        await asyncio.to_thread(self._stage.write, slot, offset, data)
        return OK

    async def _consume_result(self) -> bytes:
        payload = await self._slice()
        if self._stage.result is None:
            self._stage.result = payload
        return OK

    async def _leader_result(self) -> bytes:
        call_no = await self._u32()
        results = self._stage.leader_results
        if results is None:
            return bytes((self._table.leader_byte or 0,))
        return OK + _sliced(results[call_no]) if call_no < len(results) else _ABSENT

    async def _post_nondet(self) -> bytes:
        call_no, sub_result = await self._u32(), await self._slice()
        self._stage.note_nondet(call_no, sub_result)
        return OK

    async def _post_message(self) -> bytes:
        recipient, calldata, extra = await self._address(), await self._slice(), await self._extra()
        message = Message("message", recipient, calldata, _amount(extra, "value"), _on(extra))
        await asyncio.to_thread(self._stage.emit, message)
        return OK

    async def _deploy(self) -> bytes:
        calldata, code, extra = await self._slice(), await self._slice(), await self._extra()
        value, salt = _amount(extra, "value"), _amount(extra, "salt_nonce")
        message = Message("deploy", None, calldata, value, _on(extra), code, salt)
        await asyncio.to_thread(self._stage.emit, message)
        return OK

    async def _eth_send(self) -> bytes:
        recipient, calldata, extra = await self._address(), await self._slice(), await self._extra()
        message = Message("eth", recipient, calldata, _amount(extra, "value"), "finalized")
        await asyncio.to_thread(self._stage.emit, message)
        return OK

    async def _eth_call(self) -> bytes:
        # The local node has no EVM beside it.
        await self._address()
        await self._slice()
        return _FORBIDDEN

    async def _post_event(self) -> bytes:
        count = (await self._take(1))[0]
        topics = [await self._take(32) for _ in range(count)]
        blob = await self._slice()
        if count > MAX_TOPICS:
            return _FORBIDDEN
        self._stage.emit_event(Event(tuple(topics), blob))
        return OK

    async def _balance(self) -> bytes:
        address = await self._address()
        if address == self._stage.contract:
            balance = await asyncio.to_thread(self._stage.own_balance)
        else:
            balance = await asyncio.to_thread(self._stage.balance, address)
        return OK + balance.to_bytes(32, "little")

    async def _consume_fuel(self) -> bytes:
        self._stage.fuel_used += int.from_bytes(await self._take(self._fuel_width), "little")
        return b""

    async def _remaining_fuel(self) -> bytes:
        most = 2**53 - 1 if self._fuel_width == 8 else FUEL
        return OK + min(FUEL, most).to_bytes(self._fuel_width, "little")

    async def _disagreement(self) -> bytes:
        self._stage.disagreement = await self._u32()
        return b""

    async def _finished(self) -> bytes:
        return OK

    async def _resolve(self) -> bytes:
        """Every call is served by the executor that asks."""
        await self._take(20 + 1 + 1)
        return OK + _sliced(encode(None))


def _sliced(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _amount(fields: dict[str, Any], key: str) -> int:
    """A 256-bit amount, `0x` and hex."""
    text = fields.get(key)
    if not isinstance(text, str) or not text.startswith("0x") or len(text) > 66:
        raise HostBroken(f"the executor sent no amount under {key!r}")
    try:
        return int(text, 16)
    except ValueError:
        raise HostBroken(f"the executor sent no amount under {key!r}") from None


def _on(fields: dict[str, Any]) -> str:
    on = fields.get("on")
    if on not in {"finalized", "accepted"}:
        raise HostBroken("the executor sent a message that is neither for 'finalized' nor for 'accepted'")
    return str(on)

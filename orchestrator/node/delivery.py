"""What contracts send to each other becomes transactions: first what is for `accepted`, then the rest.

A message carries its value from the moment at which it was sent. One that fails gives it back to the contract
that sent it, and calls its `#error` (contract-sdk 7.2); contracts of the later library have none.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from genvm_wire.address import Address
from genvm_wire.calldata import encode
from genvm_wire.contract_lines import rules_of_code
from genvm_wire.keccak import keccak256
from orchestrator.node.effects import Effects
from orchestrator.node.errors import NodeError
from orchestrator.node.order import Ending, Order, Waiting
from orchestrator.node.run_attempt import CHAIN_ID
from orchestrator.node.run_report import RunReport
from orchestrator.node.transactions import NodeClient, deploy_address

MOST: Final = 1000
"""Messages in one go: contracts may send to each other for ever."""
ACCEPTED, FINALIZED = "accepted", "finalized"


class Endless(NodeError):
    """The messages do not end; those that are left wait."""


class Delivery:
    """Of one chain's messages, in the order in which they were sent."""

    def __init__(self, node: NodeClient, most: int = MOST) -> None:
        self._node = node
        self._store = node.store
        self._left = most

    async def settle(self) -> list[RunReport]:
        """Deliver and finalize until nothing waits. Raises Endless."""
        outcomes = await self.accepted()
        while True:
            await asyncio.to_thread(self._store.finalize)
            waiting = await self._take(FINALIZED)
            if waiting is None:
                return outcomes
            outcomes += await self._deliver(waiting)
            outcomes += await self.accepted()

    async def accepted(self) -> list[RunReport]:
        """Deliver what is for `accepted`, and what comes of that. Raises Endless."""
        return await self._all(ACCEPTED)

    async def finalized(self) -> list[RunReport]:
        """Finalize what was accepted, deliver what waited for that; not what comes of it. Raises Endless."""
        await asyncio.to_thread(self._store.finalize)
        return await self._all(FINALIZED)

    async def _all(self, on: str) -> list[RunReport]:
        outcomes = []
        while (waiting := await self._take(on)) is not None:
            outcomes += await self._deliver(waiting)
        return outcomes

    async def _take(self, on: str) -> Waiting | None:
        if self._left <= 0 and await asyncio.to_thread(self._store.is_waiting, on):
            raise Endless("contracts go on sending messages to each other: the rest waits")
        self._left -= 1
        return await asyncio.to_thread(self._store.take_message, on)

    async def _deliver(self, waiting: Waiting) -> list[RunReport]:
        order = await asyncio.to_thread(self._order, waiting)
        if order.kind == "transfer":
            await asyncio.to_thread(self._transfer, order)
            return []
        outcomes: list[RunReport] = []
        arrived = order.value == 0
        try:
            if order.kind == "deploy" and await asyncio.to_thread(self._store.is_contract, order.contract):
                why = f"there is a contract at {order.contract} already"
                await asyncio.to_thread(self._refuse, order, why)
            else:
                outcomes.append(await self._node.execute(order))
                arrived = arrived or outcomes[-1].counts
            if not arrived and await self._hears_of_errors(order.sender):
                outcomes.append(await self._node.execute(_error_of(order)))
                arrived = outcomes[-1].counts
        finally:
            if not arrived:
                # It refuses to hear of it, or somebody interrupts: the money is its own all the same.
                await asyncio.shield(asyncio.to_thread(self._store.credit, order.sender, order.value))
        return outcomes

    async def _hears_of_errors(self, contract: Address) -> bool:
        return rules_of_code(await self._node.code(contract)).hears_of_errors

    def _order(self, waiting: Waiting) -> Order:
        message = waiting.message
        order = Order(
            kind="call",
            contract=message.recipient or self._new_address(waiting),
            sender=waiting.emitter,
            calldata=message.calldata,
            value=message.value,
            origin=waiting.origin,
            parent=waiting.transaction,
            message=waiting.id,
            paid=True,
        )
        if message.kind == "deploy":
            return replace(order, kind="deploy", code=message.code or b"")
        if message.kind == "eth" or not self._store.is_contract(order.contract):
            return replace(order, kind="transfer")
        return order

    def _new_address(self, waiting: Waiting) -> Address:
        salt, emitter = waiting.message.salt_nonce, waiting.emitter
        if not salt:
            return deploy_address(emitter, self._store.nonce(emitter))
        preimage = b"\x01" + emitter.raw + salt.to_bytes(32, "big") + CHAIN_ID.to_bytes(32, "big")
        return Address(keccak256(preimage)[:20])

    def _transfer(self, order: Order) -> None:
        """Nobody runs at the other end: an account, or what is beyond this chain."""
        number = self._store.begin_transaction(order)
        effects = Effects(order.contract, order.sender, order.value, False, {}, (), (), paid=True)
        self._store.finish_transaction(number, Ending("finished"), effects)

    def _refuse(self, order: Order, why: str) -> None:
        number = self._store.begin_transaction(order)
        self._store.finish_transaction(number, Ending("failed", failure=why), None)


def _error_of(failed: Order) -> Order:
    """What tells a contract that its message with value has failed; the value comes with it."""
    calldata = encode({"method": "#error"})
    return replace(
        failed,
        kind="error",
        contract=failed.sender,
        sender=failed.contract,
        calldata=calldata,
        code=None,
        message=None,
    )

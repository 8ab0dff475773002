"""A small chain to drive contracts with: deploy, call, view, and what must come of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value, decode
from orchestrator.node.effects import Message
from orchestrator.node.manager_client import ManagerClient
from orchestrator.node.run_report import RunReport
from orchestrator.node.store import NodeStore
from orchestrator.node.transactions import NodeClient

CONTRACTS = Path(__file__).with_name("contracts")
ALICE = Address(b"\xa1" * 20)
BOB = Address(b"\xb0" * 20)
CAROL = Address(b"\xca" * 20)


def source(name: str) -> bytes:
    return (CONTRACTS / name).read_bytes()


class Chain:
    """One node's chain. The methods that assert give the data, the others the outcome."""

    def __init__(self, store: NodeStore, manager: ManagerClient) -> None:
        self.store = store
        self.node = NodeClient(store, manager)
        self.transactions = 0

    async def deploy(
        self, code: bytes, *args: Encodable, sender: Address = ALICE, **kwargs: Encodable
    ) -> Address:
        outcome = await self.try_deploy(code, *args, sender=sender, **kwargs)  # type: ignore[arg-type]
        assert outcome.kind == "Return", shown(outcome)
        return outcome.address

    async def try_deploy(
        self, code: bytes, *args: Encodable, sender: Address = ALICE, value: int = 0, **kwargs: Encodable
    ) -> RunReport:
        self.transactions += 1
        return await self.node.deploy(code, args, kwargs, sender=sender, value=value)

    async def transact(
        self,
        contract: Address,
        method: str,
        *args: Encodable,
        sender: Address = ALICE,
        value: int = 0,
        **kwargs: Encodable,
    ) -> RunReport:
        self.transactions += 1
        return await self.node.call(contract, method, args, kwargs, sender=sender, value=value)

    async def call(self, contract: Address, method: str, *args: Encodable, **options: Any) -> Value:
        """A transaction that returns."""
        outcome = await self.transact(contract, method, *args, **options)
        assert outcome.kind == "Return", shown(outcome)
        assert outcome.result is not None
        return outcome.result.data

    async def refused(self, contract: Address, method: str, *args: Encodable, **options: Any) -> Value:
        """A transaction that the contract rolls back; the user error's text."""
        outcome = await self.transact(contract, method, *args, **options)
        assert outcome.kind == "UserError", shown(outcome)
        assert outcome.result is not None
        return outcome.result.data

    async def view(self, contract: Address, method: str, *args: Encodable, **kwargs: Encodable) -> Value:
        outcome = await self.node.view(contract, method, args, kwargs)
        assert outcome.kind == "Return", shown(outcome)
        assert outcome.result is not None
        return outcome.result.data

    async def schema(self, code: bytes) -> Value:
        outcome = await self.node.schema(code)
        assert outcome.kind == "Return", shown(outcome)
        assert outcome.result is not None
        return outcome.result.data

    async def sent(self) -> list[Message]:
        """What the last transaction's contract sent."""
        return await asyncio.to_thread(self.store.messages, self.transactions)

    async def balance(self, address: Address) -> int:
        return await asyncio.to_thread(self.store.balance, address)

    async def event_count(self, contract: Address) -> int:
        return await asyncio.to_thread(self.store.event_count, contract)

    async def deliver(self, message: Message, sender: Address) -> Value:
        """Run a message that a contract sent, as a chain does later."""
        assert message.recipient is not None
        request = decode(message.calldata)
        assert isinstance(request, dict)
        args, kwargs = request.get("args", []), request.get("kwargs", {})
        assert isinstance(args, list) and isinstance(kwargs, dict)
        return await self.call(message.recipient, str(request["method"]), *args, sender=sender, **kwargs)


def shown(outcome: RunReport) -> str:
    data = None if outcome.result is None else outcome.result.data
    return f"{outcome.kind} {data!r} {outcome.failure} {dict(outcome.status)}\n{outcome.stderr[-4000:]}"


@asynccontextmanager
async def chain_at(address: str, store: NodeStore) -> AsyncIterator[Chain]:
    async with ManagerClient(address) as client:
        yield Chain(store, client)

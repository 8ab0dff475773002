"""A transaction as somebody wants it, how it ended, and a message that waits to become one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from genvm_wire.address import Address
from orchestrator.node.effects import Message


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. `kind`: `deploy`, `call`, `error` or `transfer`; `value` in wei.

    `code` is a deployment's. `origin` null: the sender. `parent` and `message`: the transaction and its
    message that this delivers; `paid`: the value has left its sender's account already. `moment` null: now.
    """

    kind: str
    contract: Address
    sender: Address
    calldata: bytes
    value: int = 0
    code: bytes | None = None
    origin: Address | None = None
    parent: int | None = None
    message: int | None = None
    paid: bool = False
    moment: datetime | None = None

    @property
    def first_sender(self) -> Address:
        """Who sent the transaction that all this began with."""
        return self.sender if self.origin is None else self.origin


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message on its way. `emitter`: the contract that sent it in `transaction`, and has paid for it."""

    id: int
    transaction: int
    emitter: Address
    origin: Address
    message: Message


@dataclass(frozen=True, slots=True)
class Ending:
    """How a transaction ended. `status`: `finished`, `failed`, `no_result` or `undetermined`."""

    status: str
    run_id: int | None = None
    result: bytes | None = None
    failure: str = ""
    stdout: str = ""
    stderr: str = ""
    votes: tuple[str, ...] = ()

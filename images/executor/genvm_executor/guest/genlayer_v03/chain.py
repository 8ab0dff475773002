"""The chain: accounts, events, what messages may cost (contract-sdk-v03 8 and 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from genlayer_core import event as _event
from genlayer_core import start as _start
from genlayer_core.types import Address

from .inner.messages import account_balance as _account_balance
from .inner.messages import emit_transfer as _emit_transfer

ON = Literal["decided", "finalized"]


def __getattr__(name: str) -> Any:
    if name == "id":
        return _start.field("chain_id")
    raise AttributeError(f"module 'genlayer.chain' has no attribute {name!r}")


@runtime_checkable
class IAccount(Protocol):
    """Whatever has an address and a balance, and takes value."""

    @property
    def address(self) -> Address:
        """Its address."""

    @property
    def balance(self) -> int:
        """Its balance."""

    def emit_transfer(self, value: int, *, on: ON = "finalized") -> None:
        """Send it value."""


class Account:
    """An account of this chain, contract or not."""

    def __init__(self, address: Address, /) -> None:
        self.address = address

    @property
    def balance(self) -> int:
        """Its balance."""
        return _account_balance(self.address)

    def emit_transfer(self, value: int, *, on: ON = "finalized") -> None:
        """Send it value. ValueError unless that is above zero."""
        _emit_transfer(self.address, value, {"on": on})


@dataclass(frozen=True)
class InternalMessageParams:
    """What a message to a contract may cost."""

    leader_time_units_allocation: int
    validator_time_units_allocation: int
    execution_budget_per_round: int
    rotations: Sequence[int]
    max_price_gen_per_time_unit: int
    storage_fee_max_gas_price: int
    receipt_fee_max_gas_price: int


@dataclass(frozen=True)
class ExternalMessageParams:
    """What a message to the chain below may cost."""

    gas_limit: int
    max_gas_price: int


class Event(_event.Event, base=True):
    """Base of event classes: `__init__(self, a, b, /, **blob)` names what is indexed.

    The host takes four topics with the signature: at most three names can be indexed.
    """

    strict = True

    @staticmethod
    def emit_raw(topics: Sequence[bytes], blob: Mapping[str, Any], /) -> None:
        """Emit an event from its parts: up to four topics of 32 bytes, and a map."""
        _event.emit_raw_event(topics, blob)


__all__ = ("ON", "Account", "Event", "ExternalMessageParams", "IAccount", "InternalMessageParams", "id")

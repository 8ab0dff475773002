"""What messages that a contract's balance pays for may spend, and on what (contract-sdk-v03 13)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from genlayer_core.keccak import Keccak256
from genlayer_core.types import Address

from .chain import ON, ExternalMessageParams, InternalMessageParams

ANY_METHOD = Keccak256(b"").digest()
MOST = 1024
NO_PARENT = 2**256 - 1


def _name_key(name: str) -> bytes:
    raw = name.encode("utf-8")
    if len(raw) < 32:
        return raw.ljust(32, b"\0")
    digest = bytearray(Keccak256(raw).digest())
    digest[-1] |= 1
    return bytes(digest)


def _internal_key(key: str | bytes | None) -> bytes:
    match key:
        case None:
            return ANY_METHOD
        case str():
            return _name_key(key)
        case bytes():
            if len(key) != 32:
                raise ValueError("call_key bytes must be exactly 32 bytes")
            return key
    raise TypeError("call_key must be str, bytes, or None")


def _external_key(key: bytes | None) -> bytes:
    if key is None:
        return ANY_METHOD
    if not isinstance(key, bytes):
        raise TypeError("external call_key must be bytes or None")
    if len(key) not in (4, 32):
        raise ValueError("external call_key bytes must be 4 or 32 bytes")
    return key.ljust(32, b"\0")


@dataclass(frozen=True)
class InternalAllocation:
    """For messages to a contract. `call_key`: a method's name, 32 bytes, or None for any."""

    recipient: Address
    call_key: str | bytes | None
    fee_params: InternalMessageParams
    budget: int
    on: ON = "finalized"
    children: Sequence[Any] = ()

    def __post_init__(self) -> None:
        _internal_key(self.call_key)


@dataclass(frozen=True)
class ExternalAllocation:
    """For messages to the chain below. `call_key`: a selector of 4 bytes, 32 bytes, or None for any."""

    recipient: Address
    call_key: bytes | None
    fee_params: ExternalMessageParams
    budget: int

    def __post_init__(self) -> None:
        _external_key(self.call_key)


Allocation = InternalAllocation | ExternalAllocation


def _flat(allocations: Sequence[Any], parent: int, at: int) -> Iterator[dict[str, Any]]:
    """A tree as a list, parents first; `at` is the number of the first."""
    for allocation in allocations:
        if not isinstance(allocation, InternalAllocation | ExternalAllocation):
            raise TypeError("descendants must contain allocation objects")
        yield _entry(allocation, parent)
        own, at = at, at + 1
        for entry in _flat(getattr(allocation, "children", ()), own, at):
            yield entry
            at += 1


def _entry(allocation: Allocation, parent: int) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "recipient": allocation.recipient,
        "fee_params": allocation.fee_params,
        "budget": allocation.budget,
        "parent_index": parent,
    }
    if isinstance(allocation, InternalAllocation):
        return entry | {"call_key": _internal_key(allocation.call_key), "on": allocation.on}
    return entry | {"call_key": _external_key(allocation.call_key)}


@dataclass(frozen=True)
class UseBalanceParams:
    """The contract's balance pays.

    `descendants`: what the callee's own messages may spend, a number or a tree.
    """

    fee_params: InternalMessageParams
    descendants: int | Sequence[Allocation] | None = None

    def __post_init__(self) -> None:
        self._descendants()

    def request_fields(self) -> dict[str, Any]:
        """The keys of a request. TypeError, ValueError for descendants that are none."""
        fields: dict[str, Any] = {"use_balance": True, "fee_params": self.fee_params}
        descendants = self._descendants()
        return fields | {"descendants": descendants} if descendants else fields

    def _descendants(self) -> Any:
        given = self.descendants
        if isinstance(given, bool):
            raise TypeError("descendants must not be bool")
        if isinstance(given, str | bytes | bytearray):
            raise TypeError("descendants must not be str, bytes, or bytearray")
        if given is None or isinstance(given, int):
            return given
        flat = list(_flat(given, NO_PARENT, 0))
        if len(flat) > MOST:
            raise ValueError(f"descendants must contain at most {MOST} allocations")
        return flat

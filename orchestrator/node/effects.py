"""What a run did to the chain, before anybody applied it."""

from __future__ import annotations

from dataclasses import dataclass

from genvm_wire.address import Address


@dataclass(frozen=True, slots=True)
class Message:
    """A message a contract sent. `kind`: `message`, `deploy` or `eth`; `value` in wei."""

    kind: str
    recipient: Address | None
    calldata: bytes
    value: int
    on: str
    code: bytes | None = None
    salt_nonce: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """An event: 32-byte topics and an encoded map."""

    topics: tuple[bytes, ...]
    blob: bytes


@dataclass(frozen=True, slots=True)
class Effects:
    """Everything a run changes when it is applied. `pages` by (slot, page index), 32 bytes each.

    `paid`: the value has left its sender's account already.
    """

    contract: Address
    sender: Address
    value: int
    is_deploy: bool
    pages: dict[tuple[bytes, int], bytes]
    messages: tuple[Message, ...]
    events: tuple[Event, ...]
    paid: bool = False

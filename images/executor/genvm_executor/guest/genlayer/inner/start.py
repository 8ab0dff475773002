"""The start message (contract-sdk.md, 3.1 and 8). Set once, by the bootloader."""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from genlayer.py.types import Address


class MessageType(NamedTuple):
    """What a contract knows about the transaction that runs it."""

    contract_address: Address
    sender_address: Address
    origin_address: Address
    value: int
    chain_id: int


class MessageRawType(TypedDict):
    """The start message as it arrived."""

    chain_id: int
    contract_address: Address
    datetime: str
    entry_data: bytes
    entry_kind: int
    entry_stage_data: Any
    is_init: bool
    origin_address: Address
    sender_address: Address
    stack: list[Address]
    value: int


def message_of(raw: MessageRawType) -> MessageType:
    """The short form of a start message. KeyError when it lacks a key."""
    return MessageType(
        contract_address=raw["contract_address"],
        sender_address=raw["sender_address"],
        origin_address=raw["origin_address"],
        value=raw["value"],
        chain_id=raw["chain_id"],
    )


_current: dict[str, Any] = {}


def begin(raw: MessageRawType) -> None:
    """Make the message known as `gl.message` and `gl.message_raw`."""
    _current["message_raw"] = raw
    _current["message"] = message_of(raw)


def current(name: str) -> Any:
    """`message` or `message_raw`. AttributeError before there is one."""
    try:
        return _current[name]
    except KeyError:
        raise AttributeError(f"gl.{name} exists only inside a running VM") from None


def message() -> MessageType:
    """The running transaction's message."""
    return current("message")  # type: ignore[no-any-return]

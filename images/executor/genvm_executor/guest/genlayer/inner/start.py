"""The start message as this line shows it (contract-sdk 3.1 and 8)."""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from genlayer_core import start
from genlayer_core.types import Address


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


_current: dict[str, Any] = {}


def begin() -> None:
    """Make the message known as `gl.message` and `gl.message_raw`. KeyError when it lacks a key."""
    raw = start.raw()
    _current["message_raw"] = raw
    _current["message"] = MessageType(*(raw[name] for name in MessageType._fields))


def current(name: str) -> Any:
    """`message` or `message_raw`. AttributeError before there is one."""
    try:
        return _current[name]
    except KeyError:
        raise AttributeError(f"gl.{name} exists only inside a running VM") from None

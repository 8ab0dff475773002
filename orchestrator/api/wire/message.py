"""The `message` of a run request: accepted forms, and the one form that executors get (host-protocol 6.1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from genvm_wire.calldata import Address, Value
from genvm_wire.moments import DEFAULT_DATETIME
from genvm_wire.unsigned import U256_MAX, is_unsigned, unsigned_of
from orchestrator.contracts.timestamps import parse_timestamp

MOMENT, NEWEST_MOMENT = "datetime", "transaction_timestamp"
"""Two names of one thing. Nodes that write the later one read results in later names too."""
ADDRESSES = ("contract_address", "sender_address", "origin_address")
ADDRESS_BYTES = 20


def message_of(raw: Mapping[str, Any]) -> dict[str, Value]:
    """The message with addresses as addresses and integers as integers; keys it does not know are left out.

    Accepts an address as atom, 20 raw bytes, base64 or 0x-hex text; `chain_id` and `value` as integer or
    decimal text; a null value as 0; the moment under either name, which it keeps. Raises ValueError naming
    the key.
    """
    message: dict[str, Value] = {key: _address(key, raw.get(key)) for key in ADDRESSES}
    signer = raw.get("signer_address")
    message["signer_address"] = (
        message["origin_address"] if signer is None else _address("signer_address", signer)
    )
    message["chain_id"] = _number("chain_id", raw.get("chain_id"))
    value = raw.get("value")
    message["value"] = 0 if value is None else _number("value", value)
    message["is_init"] = _flag("is_init", raw.get("is_init"))
    moments = {key: _moment(key, raw[key]) for key in (MOMENT, NEWEST_MOMENT) if raw.get(key) is not None}
    if len({parse_timestamp(moment) for moment in moments.values()}) > 1:
        raise ValueError(f"message.{MOMENT} and message.{NEWEST_MOMENT} are different moments")
    message[MOMENT] = next(iter(moments.values()), DEFAULT_DATETIME)
    return message | ({NEWEST_MOMENT: moments[NEWEST_MOMENT]} if NEWEST_MOMENT in moments else {})


def names_a_moment(raw: Mapping[str, Any]) -> bool:
    """Whether a message says when it is executed."""
    return any(raw.get(key) is not None for key in (MOMENT, NEWEST_MOMENT))


def _address(key: str, value: Any) -> Address:
    match value:
        case Address():
            return value
        case bytes() if len(value) == ADDRESS_BYTES:
            return Address(value)
        case str():
            return Address(_address_text(key, value))
        case _:
            raise ValueError(f"message.{key} must be an address (20 bytes)")


def _address_text(key: str, text: str) -> bytes:
    try:
        if len(text) == 42 and text.startswith("0x"):
            raw = bytes.fromhex(text[2:])
        else:
            raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise ValueError(f"message.{key} is neither base64 nor 0x-hex") from None
    if len(raw) != ADDRESS_BYTES:
        raise ValueError(f"message.{key} has {len(raw)} bytes, an address has {ADDRESS_BYTES}")
    return raw


def _number(key: str, value: Any) -> int:
    if isinstance(value, str):
        value = unsigned_of(value, U256_MAX)
    if not is_unsigned(value, U256_MAX):
        raise ValueError(f"message.{key} must be an unsigned 256-bit integer or its decimal text")
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"message.{key} must be true or false")
    return value


def _moment(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"message.{key} must be an RFC 3339 timestamp")
    parse_timestamp(value)
    return value

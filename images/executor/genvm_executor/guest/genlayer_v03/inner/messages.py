"""Messages to contracts and accounts of this chain (contract-sdk-v03 3 and 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genlayer_core import requests, wasi
from genlayer_core.types import Address

METHOD_KEY = ""
MESSAGE = "EmitInternalMessage"


def account_balance(address: Address) -> int:
    """The balance of an account of this chain."""
    return wasi.get_balance(address.as_bytes)


def emit_transfer(address: Address, value: int, options: Mapping[str, Any]) -> None:
    """Send value without a method. ValueError unless it is above zero."""
    if value <= 0:
        raise ValueError("value must be greater than 0 for emit_transfer")
    requests.call(MESSAGE, {"address": address, "calldata": {}, "value": value, **options})


def fee_fields(use_balance: Any, fee_params: Any) -> dict[str, Any]:
    """The keys of a message that its contract's balance pays for; none for any other.

    `use_balance` is a flag beside `fee_params`, or holds them (`message_allocation.UseBalanceParams`).
    """
    from ..message_allocation import UseBalanceParams  # noqa: PLC0415 - that module needs this line's chain

    if isinstance(use_balance, UseBalanceParams):
        return use_balance.request_fields()
    is_flag = use_balance is None or isinstance(use_balance, bool)
    if not is_flag or (use_balance and fee_params is None):
        raise TypeError("use_balance must be UseBalanceParams or None")
    fields: dict[str, Any] = {"use_balance": True} if use_balance else {}
    return fields if fee_params is None else fields | {"fee_params": fee_params}

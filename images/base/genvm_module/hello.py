"""The first message of a session, in every shape that executors of all generations send (modules 1.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from genvm_module.contract import Caller
from genvm_module.values import carried
from genvm_wire.calldata import CalldataError, Value, decode
from genvm_wire.module_messages import OpenSession

MOST_VALUES = 50_000
"""In a hello, and in the node's `host_data`: reading them stops the event loop for some ten milliseconds."""

T = TypeVar("T", int, str)

REQUIRED_HOST_DATA = ("node_address", "tx_id")


class HelloUnusable(Exception):
    """The session cannot be served. The text names no value."""


def read_hello(body: bytes) -> Caller:
    """Any subset of the known keys, unknown ones ignored. Raises HelloUnusable for wrong types."""
    try:
        message = decode(body, max_items=MOST_VALUES)
    except CalldataError as error:
        raise HelloUnusable(f"hello is not calldata: {error.reason}") from None
    if not isinstance(message, dict):
        raise HelloUnusable("hello is not a map")
    host_data = message.get("host_data")
    return Caller(
        run=_typed(message, "genvm_id", int),
        role=_typed(message, "role", str),
        host_data=host_data if isinstance(host_data, dict) else {},
        gas_data=_texts(message.get("gas_data")),
        initial_time_units_allocation=_typed(message, "initial_time_units_allocation", int) or 0,
        cookie=_typed(message, "cookie", str),
    )


def require_identity(host_data: Mapping[str, Value]) -> None:
    """Raises HelloUnusable unless the node named itself and its transaction."""
    for key in REQUIRED_HOST_DATA:
        if not isinstance(host_data.get(key), str):
            raise HelloUnusable(f"host_data has no string {key!r}")


def registered(session: OpenSession) -> Caller:
    """The caller that the manager registered.

    `host_data` that is no JSON object, or is one of too many values, leaves the caller without an identity.
    """
    caller = Caller(
        run=session.run,
        role=session.role,
        host_data={},
        gas_data=_texts(dict(session.gas_data)),
        initial_time_units_allocation=session.initial_time_units_allocation,
    )
    text = session.host_data
    if sum(map(text.count, "[{,")) >= MOST_VALUES:
        return caller
    try:
        host_data = json.loads(text)
    except (ValueError, RecursionError):
        return caller
    values = carried(host_data)
    return replace(caller, host_data=values) if isinstance(values, dict) else caller


def _typed(message: Mapping[str, Value], key: str, kind: type[T]) -> T | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise HelloUnusable(f"{key!r} has the wrong type")
    return value


def _texts(value: Value) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise HelloUnusable("'gas_data' is not a map")
    return {key: item if isinstance(item, str) else str(item) for key, item in value.items()}

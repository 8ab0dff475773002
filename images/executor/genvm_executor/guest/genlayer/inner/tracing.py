"""Debug output of contracts (contract-sdk 4)."""

from __future__ import annotations

from typing import Any

from genlayer_core import calldata, requests


def trace(*objs: Any, sep: str = " ") -> None:
    """Put a line into the executor's trace."""
    requests.call("Trace", {"Message": sep.join(map(str, objs))})


def trace_time_micro() -> int:
    """Microseconds since the VM started; 0 in deterministic mode."""
    return int(calldata.decode(requests.ask("Trace", {"RuntimeMicroSec": None})))

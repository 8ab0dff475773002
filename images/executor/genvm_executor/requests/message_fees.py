"""Messages that their contract's balance pays for (spec: contract-sdk-v03 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genvm_executor.machine.sdk_errno import SdkErrno, SdkRefused
from genvm_executor.payloads import FEE_PARAMS
from genvm_executor.requests.run_state import RunState
from genvm_wire.storage_layout import ROOT_FIELDS, ROOT_SLOT, SLOT_SIZE

BALANCE_PAYS_BIT = 1
"""Number of the bit among the permissions in the root slot."""
_TIME_UNITS, _PRICES = FEE_PARAMS[:2], FEE_PARAMS[3:]
_BUDGET = FEE_PARAMS[2]


def check_fees(run: RunState, payload: Mapping[str, Any]) -> None:
    """Raises SdkRefused: forbidden without the permission, inval for parameters that are none."""
    uses, params = payload.get("use_balance", False), payload.get("fee_params")
    if uses and not _may_use_balance(run):
        raise SdkRefused(SdkErrno.FORBIDDEN)
    if uses is not (params is not None) or (params is not None and not _are_sound(params)):
        raise SdkRefused(SdkErrno.INVAL)


def _are_sound(params: Mapping[str, Any]) -> bool:
    return (
        bool(params["rotations"])
        and all(params[name] > 0 for name in _PRICES)
        and all(params[name] < 2**96 for name in (*_PRICES, _BUDGET))
        and all(number < 2**32 for number in (*params["rotations"], *(params[name] for name in _TIME_UNITS)))
    )


def _may_use_balance(run: RunState) -> bool:
    """As the contract had it when the run began: what it writes counts from the next one on."""
    at = ROOT_FIELDS[run.job.line.name].permissions
    if at is None:
        return False
    storage = run.storage_of(run.job.message.contract, run.node.table.own_view)
    bits = int.from_bytes(storage.read(ROOT_SLOT, at, SLOT_SIZE), "little")
    return bool(bits >> BALANCE_PAYS_BIT & 1)

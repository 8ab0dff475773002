"""Requests were renamed while line v0.3 grew: whatever a snapshot calls them, they are read as the first did.

No name means two things (spec: contract-sdk-v03 3), so one executor serves all snapshots.
"""

from __future__ import annotations

from collections.abc import Mapping

from genvm_wire.calldata import Value

REQUESTS: Mapping[str, str] = {
    "EmitInternalMessage": "PostMessage",
    "EmitInternalDeployMessage": "DeployContract",
    "EmitExternalMessage": "EthSend",
    "ExternalCall": "EthCall",
}
KEYS: Mapping[str, Mapping[str, str]] = {
    "CallContract": {"storage_view": "state"},
    "WebRender": {"post_load_wait": "wait_after_loaded"},
    "Trace": {"RuntimeMicroseconds": "RuntimeMicroSec"},
    "fee_params": {
        "leader_time_units_allocation": "leader_timeunits_allocation",
        "validator_time_units_allocation": "validator_timeunits_allocation",
    },
}
MOMENTS: Mapping[str, str] = {"decided": "accepted"}


def as_written(name: str, payload: Value) -> tuple[str, Value]:
    """For a line whose requests always had the same names."""
    return name, payload


def in_first_spelling(name: str, payload: Value) -> tuple[str, Value]:
    """A request under the names that the first snapshot has. A payload with both spellings keeps both."""
    name = REQUESTS.get(name, name)
    if not isinstance(payload, dict):
        return name, payload
    payload = _renamed(payload, KEYS.get(name, {}))
    if "on" in payload and isinstance(payload["on"], str):
        payload["on"] = MOMENTS.get(payload["on"], payload["on"])
    if isinstance(payload.get("fee_params"), dict):
        payload["fee_params"] = _renamed(payload["fee_params"], KEYS["fee_params"])  # type: ignore[arg-type]
    return name, payload


def _renamed(value: dict[str, Value], names: Mapping[str, str]) -> dict[str, Value]:
    return {
        names[key] if key in names and names[key] not in value else key: item for key, item in value.items()
    }

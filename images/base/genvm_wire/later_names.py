"""The names that the newest node software gives to what a result holds (host-protocol 12)."""

from __future__ import annotations

from collections.abc import Mapping

from genvm_wire.calldata import Value

_KEYS: Mapping[str, str] = {
    "storage_changes": "storage_deltas",
    "llm_consumption": "llm_consumed_gen_wei",
    "nondet_results": "leader_public_data",
}
_EMISSIONS: Mapping[Value, Value] = {
    "EthSend": "ExternalMessage",
    "PostMessage": "InternalMessage",
    "DeployContract": "InternalDeployMessage",
    "EmitEvent": "Event",
}


def renamed(fields: Mapping[str, Value]) -> dict[str, Value]:
    """A result's map under its later names; what they name is the same."""
    later = {_KEYS.get(key, key): value for key, value in fields.items()}
    emissions = later.get("emissions")
    if isinstance(emissions, list):
        later["emissions"] = [_emission(one) for one in emissions]
    return later


def _emission(emission: Value) -> Value:
    if not isinstance(emission, dict):
        return emission
    later = {**emission, "type": _EMISSIONS[emission["type"]]}
    return {**later, "on": "decided"} if later.get("on") == "accepted" else later

"""What `genvm` reads from its standard input, per host table (host-protocol 6)."""

from __future__ import annotations

from collections.abc import Mapping

from genvm_release.unsuitable import Unsuitable, not_served
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.host_tables import HOST_TABLES, Method
from genvm_wire.instance_messages import JobMessage

MESSAGE_KEYS = (
    "chain_id", "contract_address", "datetime", "is_init", "origin_address", "sender_address", "value",
)  # fmt: skip
FEES = {
    "T9w": ("data_fees_limit", "storage_page_cost", "receipt_word_cost"),
    "T8": ("bucket_totals", "gas_data", "message_fee_allocation", "initial_time_units_allocation"),
}
FEES["T9n"] = (*FEES["T8"], "record_actions")
"""Of what clients send for the executor alone. The newest executors refuse keys that they do not know."""
MANAGER = 1
NODE = 0


def execution_data(job: JobMessage) -> bytes:
    """The whole input. Raises Unsuitable."""
    if job.host_table not in FEES:
        raise not_served(job.host_table)
    if job.calldata is None:
        raise Unsuitable("the job has no calldata")
    newest = job.host_table == "T9n"
    data: dict[str, Encodable] = {
        "calldata": job.calldata,
        "code": job.code,
        "host_data": job.host_data,
        "leader_nondet_results": _listed(job),
        "message": _message(job.message, signed=newest),
        "method_hosts": method_hosts(job),
        **{key: job.extra[key] for key in FEES[job.host_table] if key in job.extra},
    }
    if newest:
        # The manager has said the node's hello already, on the connection that the program inherits.
        data |= {"host_hello_data": [], "nested": None, "record_actions": data.get("record_actions", [])}
        data["remaining_recursion"] = job.extra.get("initial_recursion")
    return encode(data)


def method_hosts(job: JobMessage) -> list[int]:
    """Which connection serves which method: the node's, or the manager's, which gets the result."""
    methods = HOST_TABLES[job.host_table].methods
    served = [NODE] * (max(methods.values()) + 1)
    served[methods[Method.CONSUME_RESULT]] = MANAGER
    if Method.RESOLVE_EXECUTOR in methods:
        asked = job.extra.get("hook_cross_contract_calls") is True
        served[methods[Method.RESOLVE_EXECUTOR]] = NODE if asked else MANAGER
        served.append(MANAGER)  # RUN_NESTED
    return served


def _message(said: Mapping[str, Value], *, signed: bool) -> dict[str, Encodable]:
    keys = (*MESSAGE_KEYS, "signer_address") if signed else MESSAGE_KEYS
    return {key: said[key] for key in keys}


def _listed(job: JobMessage) -> list[Encodable] | None:
    return None if job.leader_nondet_results is None else list(job.leader_nondet_results)

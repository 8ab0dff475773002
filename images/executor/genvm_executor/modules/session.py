"""From a job to its module connections: what the hello of each says (modules 1.6)."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping

from genvm_executor.channel.job import Job
from genvm_executor.host import HostClient
from genvm_executor.lines import ContractLine
from genvm_executor.modules.client import ModuleClient
from genvm_executor.modules.link import ModuleLink
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.module_requests import hello


def module_client(
    job: Job,
    sockets: Mapping[str, socket.socket],
    node: HostClient,
    line: Callable[[], ContractLine],
    cancelled: threading.Event,
) -> ModuleClient:
    """Takes over the sockets. Nothing is sent before a contract asks for something."""
    greeting = hello(
        job.run,
        leader=job.leader_nondet_results is None,
        host_data=_host_data(job.host_data),
        gas_data=job.gas_data,
        initial_time_units_allocation=job.initial_time_units_allocation,
    )
    links = {name: ModuleLink(name, sock, greeting) for name, sock in sockets.items()}
    return ModuleClient(links, node, line, cancelled)


def _host_data(text: str) -> dict[str, Encodable]:
    """The node's object for the modules, numbers that are no integers as text; what is none is empty.

    Modules go by what the manager told them, and refuse a node that did not name itself.
    """
    try:
        value: Value = json.loads(text, parse_float=str, parse_constant=str)
        encode({"host_data": value})
    except (ValueError, RecursionError):
        return {}
    return dict(value) if isinstance(value, dict) else {}

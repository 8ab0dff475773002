"""VMs inside a VM, their results, and the clock (contract-sdk-v03 9)."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from genlayer_core import calldata as _calldata
from genlayer_core import requests as _requests

from .._internal.on_chain import gl_call as gl_call
from . import public_abi as ABI
from .results import Result, Return, UserError, VMError, unpack_result
from .results import decode_result as _decode_result
from .runners import RunnerID, RunnerIDOps, map_file, register_runner
from .sandboxes import SandboxChangesOnError, run_nondet, run_nondet_default, spawn_runner, spawn_sandbox

if TYPE_CHECKING:
    from typing_extensions import Buffer


def _decode_sub_vm_result_retn(data: Buffer) -> Result:
    """What contracts import that read replies of requests they put together themselves."""
    return _decode_result(bytes(data))


def _decode_sub_vm_result(data: Buffer) -> Any:
    """The value. Raises UserError."""
    return unpack_result(_decode_sub_vm_result_retn(data))


def trace(*objs: object, sep: str = " ") -> None:
    """Put a line into the executor's trace."""
    _requests.call("Trace", {"Message": sep.join(map(str, objs))})


def trace_time_micro() -> int:
    """Microseconds since the VM started; 0 in deterministic mode."""
    return int(_calldata.decode(_requests.ask("Trace", {"RuntimeMicroseconds": None})))


def yield_() -> None:
    """Nothing yet."""
    _requests.call("Yield", None)


def get_timestamp() -> datetime.datetime:
    """Whole seconds, UTC: the transaction's time, in nondeterministic blocks the clock of the node."""
    seconds = _calldata.decode(_requests.ask("GetTimestamp", None))
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


# Storage names them by these paths in what it pickled; contracts are not shown them.
globals().pop("results")
globals().pop("runners")
globals().pop("sandboxes")

__all__ = (
    "ABI",
    "Result",
    "Return",
    "RunnerID",
    "RunnerIDOps",
    "SandboxChangesOnError",
    "UserError",
    "VMError",
    "get_timestamp",
    "map_file",
    "register_runner",
    "run_nondet",
    "run_nondet_default",
    "spawn_runner",
    "spawn_sandbox",
    "trace",
    "trace_time_micro",
    "unpack_result",
    "yield_",
)

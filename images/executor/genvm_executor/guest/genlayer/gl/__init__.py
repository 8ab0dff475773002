"""`gl`: what contracts use (contract-sdk 4). A real module, so pickled closures refer to it by name.

`gl.message` and `gl.message_raw` exist from the moment the start message has been read.
"""

import sys as _sys
from typing import Any as _Any

from genlayer_core import wasi
from genlayer_core.contract import private, public
from genlayer_core.event import Event

from genlayer.inner import start as _start
from genlayer.inner.contract import Contract
from genlayer.inner.proxies import contract_interface, deploy_contract, get_contract_at
from genlayer.inner.start import MessageRawType, MessageType
from genlayer.inner.tracing import trace, trace_time_micro
from genlayer.py import calldata, storage
from genlayer.py import types as _types
from genlayer.py.types import Address, Keccak256, Lazy, SizedArray, bigint

from . import advanced, eq_principle, evm, nondet, vm

_sys.modules[f"{__name__}.wasi"] = wasi
globals().update(_types.UNSIGNED)
globals().update(_types.SIGNED)

_NOT_HERE = {
    "exec_prompt": "gl.nondet.exec_prompt",
    "get_webpage": "gl.nondet.web.render",
    "ContractAt": "gl.get_contract_at",
    "eq_principle_strict_eq": "gl.eq_principle.strict_eq",
    "eq_principle_prompt_comparative": "gl.eq_principle.prompt_comparative",
    "eq_principle_prompt_non_comparative": "gl.eq_principle.prompt_non_comparative",
    "TreeMap": "TreeMap (from genlayer import *) or gl.storage.TreeMap",
    "DynArray": "DynArray (from genlayer import *) or gl.storage.DynArray",
}


def __getattr__(name: str) -> _Any:
    if name in ("message", "message_raw"):
        return _start.current(name)
    if name in _NOT_HERE:
        raise AttributeError(f"gl has no {name!r}; this line has {_NOT_HERE[name]}")
    raise AttributeError(f"module 'genlayer.gl' has no attribute {name!r}")


__all__ = (  # noqa: PLE0604
    "Address",
    "Contract",
    "Event",
    "Keccak256",
    "Lazy",
    "MessageRawType",
    "MessageType",
    "SizedArray",
    "advanced",
    "bigint",
    "calldata",
    "contract_interface",
    "deploy_contract",
    "eq_principle",
    "evm",
    "get_contract_at",
    "nondet",
    "private",
    "public",
    "storage",
    "trace",
    "trace_time_micro",
    "vm",
    "wasi",
    *_types.UNSIGNED,
    *_types.SIGNED,
)

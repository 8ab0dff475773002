"""The five method tables of the host protocol, as data (host-protocol 1, 3.1, 3.3, 3.4).

Nothing on the wire announces a table: it belongs to an executor version and to the node's host library.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from genvm_wire.records import field, record


class Method(StrEnum):
    """A request of the executor to its host."""

    GET_CALLDATA = "get_calldata"
    STORAGE_READ = "storage_read"
    STORAGE_WRITE = "storage_write"
    CONSUME_RESULT = "consume_result"
    GET_LEADER_NONDET_RESULT = "get_leader_nondet_result"
    POST_NONDET_RESULT = "post_nondet_result"
    POST_MESSAGE = "post_message"
    POST_EVENT = "post_event"
    CONSUME_FUEL = "consume_fuel"
    DEPLOY_CONTRACT = "deploy_contract"
    ETH_CALL = "eth_call"
    ETH_SEND = "eth_send"
    GET_BALANCE = "get_balance"
    REMAINING_FUEL = "remaining_fuel_as_gen"
    NOTIFY_NONDET_DISAGREEMENT = "notify_nondet_disagreement"
    NOTIFY_FINISHED = "notify_finished"
    RESOLVE_EXECUTOR = "resolve_callcontract_executor"


class StorageView(IntEnum):
    """Which state of the chain a storage read asks for (section 11)."""

    DEFAULT = 0
    LATEST_FINAL = 1
    LATEST_NON_FINAL = 2


class Channel(StrEnum):
    """How something travels between executor and node."""

    HOST = "host"
    """by a host method, at the moment it happens"""
    JOB = "job"
    """with the request, before the run"""
    STORAGE = "storage"
    """in the contract's storage, written by the node beforehand"""
    RESULT = "result"
    """inside the result"""


class ResultForm(StrEnum):
    """The layout of a result's payload (section 8)."""

    A = "A"
    B1 = "B1"
    B2 = "B2"
    B3 = "B3"
    C = "C"


class ResultReader(StrEnum):
    """Who gets CONSUME_RESULT."""

    NODE = "node"
    MANAGER = "manager"


class Ending(StrEnum):
    """What ends the conversation on the node's connection."""

    CONSUME_RESULT = "consume_result"
    NOTIFY_FINISHED = "notify_finished"
    CLOSE = "close"


@record
class HostTable:
    """One method table and what goes with it."""

    name: str
    methods: Mapping[Method, int]
    vm_errors: Mapping[int, str]
    """error byte → text of the VM error it ends the run with; any other non-zero byte breaks the protocol"""
    leader_byte: int | None
    """the error byte of GET_LEADER_NONDET_RESULT that means `you are the leader`"""
    fuel_width: int
    """default bytes of a fuel amount; a setting per executor overrides it"""
    calldata: Channel
    code: Channel
    leader_nondet_results: Channel
    storage_writes: Channel
    messages: Channel
    events: Channel
    nondet_results: Channel
    result_form: ResultForm
    result_reader: ResultReader
    ending: Ending
    own_view: StorageView
    """the view the running contract's data is read with (section 7)"""
    fuel_width_differs: bool = False
    """nodes of this table speak 8 or 32 bytes, and only their first amount shows which"""
    by_id: Mapping[int, Method] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", MappingProxyType({n: m for m, n in self.methods.items()}))


_T15_METHODS: Final = MappingProxyType(
    {
        Method.GET_CALLDATA: 0,
        Method.STORAGE_READ: 1,
        Method.STORAGE_WRITE: 2,
        Method.CONSUME_RESULT: 3,
        Method.GET_LEADER_NONDET_RESULT: 4,
        Method.POST_NONDET_RESULT: 5,
        Method.POST_MESSAGE: 6,
        Method.POST_EVENT: 7,
        Method.CONSUME_FUEL: 8,
        Method.DEPLOY_CONTRACT: 9,
        Method.ETH_CALL: 10,
        Method.ETH_SEND: 11,
        Method.GET_BALANCE: 12,
        Method.REMAINING_FUEL: 13,
        Method.NOTIFY_NONDET_DISAGREEMENT: 14,
    }
)
_T8_METHODS: Final = MappingProxyType(
    {
        Method.STORAGE_READ: 0,
        Method.CONSUME_FUEL: 1,
        Method.ETH_CALL: 2,
        Method.GET_BALANCE: 3,
        Method.REMAINING_FUEL: 4,
        Method.NOTIFY_NONDET_DISAGREEMENT: 5,
        Method.CONSUME_RESULT: 6,
        Method.NOTIFY_FINISHED: 7,
    }
)
_HOST_PREFIXED_ERRORS: Final = MappingProxyType(
    {1: "host absent", 2: "host forbidden", 3: "host out_of_storage_gas"}
)

T15A: Final = HostTable(
    name="T15a",
    methods=_T15_METHODS,
    vm_errors=MappingProxyType({1: "absent", 2: "forbidden", 4: "out_of_storage_gas"}),
    leader_byte=3,
    fuel_width=8,
    calldata=Channel.HOST,
    code=Channel.STORAGE,
    leader_nondet_results=Channel.HOST,
    storage_writes=Channel.HOST,
    messages=Channel.HOST,
    events=Channel.HOST,
    nondet_results=Channel.HOST,
    result_form=ResultForm.A,
    result_reader=ResultReader.NODE,
    ending=Ending.CONSUME_RESULT,
    own_view=StorageView.DEFAULT,
)
T15B: Final = HostTable(
    name="T15b",
    methods=_T15_METHODS,
    vm_errors=T15A.vm_errors,
    leader_byte=3,
    fuel_width=8,
    calldata=Channel.JOB,
    code=Channel.JOB,
    leader_nondet_results=Channel.HOST,
    storage_writes=Channel.RESULT,
    messages=Channel.HOST,
    events=Channel.RESULT,
    nondet_results=Channel.HOST,
    result_form=ResultForm.B1,
    result_reader=ResultReader.NODE,
    ending=Ending.CONSUME_RESULT,
    own_view=StorageView.LATEST_NON_FINAL,
)
T9W: Final = HostTable(
    name="T9w",
    methods=MappingProxyType(
        {
            Method.STORAGE_READ: 0,
            Method.STORAGE_WRITE: 1,
            Method.CONSUME_FUEL: 2,
            Method.ETH_CALL: 3,
            Method.GET_BALANCE: 4,
            Method.REMAINING_FUEL: 5,
            Method.NOTIFY_NONDET_DISAGREEMENT: 6,
            Method.CONSUME_RESULT: 7,
            Method.NOTIFY_FINISHED: 8,
        }
    ),
    vm_errors=_HOST_PREFIXED_ERRORS,
    leader_byte=None,
    fuel_width=8,
    calldata=Channel.JOB,
    code=Channel.JOB,
    leader_nondet_results=Channel.JOB,
    storage_writes=Channel.RESULT,
    messages=Channel.RESULT,
    events=Channel.RESULT,
    nondet_results=Channel.RESULT,
    result_form=ResultForm.B2,
    result_reader=ResultReader.MANAGER,
    ending=Ending.NOTIFY_FINISHED,
    own_view=StorageView.LATEST_NON_FINAL,
)
T8: Final = HostTable(
    name="T8",
    methods=_T8_METHODS,
    vm_errors=_HOST_PREFIXED_ERRORS,
    leader_byte=None,
    fuel_width=8,
    calldata=Channel.JOB,
    code=Channel.JOB,
    leader_nondet_results=Channel.JOB,
    storage_writes=Channel.RESULT,
    messages=Channel.RESULT,
    events=Channel.RESULT,
    nondet_results=Channel.RESULT,
    result_form=ResultForm.B3,
    result_reader=ResultReader.MANAGER,
    ending=Ending.NOTIFY_FINISHED,
    own_view=StorageView.LATEST_NON_FINAL,
    fuel_width_differs=True,
)
T9N: Final = HostTable(
    name="T9n",
    methods=MappingProxyType(
        {
            **{m: n for m, n in _T8_METHODS.items() if m is not Method.NOTIFY_FINISHED},
            Method.RESOLVE_EXECUTOR: 7,
        }
    ),
    vm_errors=MappingProxyType({1: "evm reverted", 2: "forbidden"}),
    leader_byte=None,
    fuel_width=32,
    calldata=Channel.JOB,
    code=Channel.JOB,
    leader_nondet_results=Channel.JOB,
    storage_writes=Channel.RESULT,
    messages=Channel.RESULT,
    events=Channel.RESULT,
    nondet_results=Channel.RESULT,
    result_form=ResultForm.C,
    result_reader=ResultReader.MANAGER,
    ending=Ending.CLOSE,
    own_view=StorageView.LATEST_NON_FINAL,
)

HOST_TABLES: Final[Mapping[str, HostTable]] = MappingProxyType(
    {t.name: t for t in (T15A, T15B, T9W, T8, T9N)}
)

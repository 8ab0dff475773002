"""What all VMs of one run share: the job, the node, caches, budgets, and what is counted."""

from __future__ import annotations

import threading
from typing import TypeVar

from genvm_executor.channel.codes import Codes
from genvm_executor.channel.job import Job
from genvm_executor.channel.nesting import Nesting
from genvm_executor.channel.run_log import RunLog
from genvm_executor.host import HostClient
from genvm_executor.machine.engine import DEFAULT_MEMORY_BYTES
from genvm_executor.machine.outcome import RunCancelled, VmFault
from genvm_executor.machine.vm import Guest
from genvm_executor.modules.port import Modules
from genvm_executor.python.source_code import CompiledSource
from genvm_executor.requests.kept import Kept
from genvm_executor.requests.storage_view import NodeStorage, PageBudget, PageCache
from genvm_wire.address import Address
from genvm_wire.host_tables import StorageView
from genvm_wire.records import field, mutable
from genvm_wire.storage_layout import locked_slots_slot, upgraders_slot

K = TypeVar("K")
T = TypeVar("T")
MAX_REMEMBERED = 4096
"""Addresses that a run has asked about: their balances, and their storages."""


@mutable
class RunCounters:
    """`fuel` of all VMs together; `memory_peak` is the most bytes that live guests of one mode had."""

    fuel: int = 0
    memory_peak: int = 0
    storage_writes: int = 0


@mutable
class RunState:
    job: Job
    node: HostClient
    log: RunLog
    modules: Modules
    nesting: Nesting | None = None
    """where other executors' runs are asked for"""
    codes: Codes | None = None
    """where compiled code is asked for; null: nowhere"""
    compiled: dict[bytes, CompiledSource] = field(default_factory=dict)
    """of sources that VMs of this run have begun with"""
    nested_calls: int = 0
    memory_limit: int = DEFAULT_MEMORY_BYTES
    counters: RunCounters = field(default_factory=RunCounters)
    kept: Kept = field(init=False)
    budget: PageBudget = field(init=False)
    locked_slots: frozenset[bytes] = frozenset()
    sent: int = 0
    """wei that messages of this run carry so far"""
    next_call: int = 0
    nondet_results: list[bytes] = field(default_factory=list)
    nondet_disagreement: int | None = None
    live: list[tuple[bool, Guest]] = field(default_factory=list)
    """guests that have started and not ended, outermost first, with `deterministic`"""
    cancelled: threading.Event = field(default_factory=threading.Event)
    _balances: dict[Address, int] = field(default_factory=dict)
    _cache: PageCache = field(default_factory=PageCache)
    _storages: dict[tuple[Address, int], NodeStorage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = Kept(lambda: self.job.line.texts.no_memory_for_answer)
        self.budget = PageBudget(self.job.storage_pages, self.kept)

    def memory_in_use(self, deterministic: bool) -> int:
        """Bytes that live guests of a mode hold."""
        return sum(guest.memory_bytes for mode, guest in self.live if mode is deterministic)

    def memory_left(self, deterministic: bool) -> int:
        """Bytes that VMs of a mode may still take: a block has what its caller left (contract-runtime 1).

        What a deterministic VM may take never depends on blocks, whose memory differs from node to node.
        """
        held = self.memory_in_use(deterministic)
        if not deterministic:
            held += self.memory_in_use(deterministic=True)
        return max(self.memory_limit - held, 0)

    def check_cancelled(self) -> None:
        """Raises RunCancelled. A guest that starts after the engine was interrupted would not notice."""
        if self.cancelled.is_set():
            raise RunCancelled("cancelled")

    def storage_of(self, address: Address, view: int) -> NodeStorage:
        """A contract's storage at a view; its pages are fetched once per run."""
        known = self._storages.get((address, view))
        if known is None:
            known = NodeStorage(
                lambda slot, offset, length: self.node.storage_read(view, address, slot, offset, length),
                self._cache,
            )
            _keep_few(self._storages, (address, view), known)
        return known

    @property
    def own_view(self) -> int:
        """How the run's own contract is read."""
        nested = self.job.nested
        return self.node.table.own_view if nested is None else nested.view

    @property
    def storage_reads(self) -> int:
        return self._cache.reads

    def balance_of(self, address: Address) -> int:
        """Asked once per address and run (host-protocol 10)."""
        known = self._balances.get(address)
        if known is None:
            known = self.node.get_balance(address)
            _keep_few(self._balances, address, known)
        return known

    def own_balance(self) -> int:
        """Wei left to send: what the node says minus what this run sent (v0.3: plus `value`)."""
        message = self.job.message
        attached = message.value if self.job.line.value_is_spendable else 0
        return self.balance_of(message.contract) + attached - self.sent

    def load_locked_slots(self) -> None:
        """Read upgraders and, unless the sender is one, the locked slots (contract-runtime 1)."""
        message, line = self.job.message, self.job.line
        storage = self.storage_of(message.contract, StorageView.DEFAULT)
        upgraders = _read_list(storage, upgraders_slot(line.name), 20, "upgraders", line.most_upgraders)
        if message.sender.raw not in upgraders:
            slot = locked_slots_slot(line.name)
            self.locked_slots = _read_list(storage, slot, 32, "locked_slots", line.most_locked_slots)


def _keep_few(known: dict[K, T], key: K, value: T) -> None:
    """Put in what the node can be asked for again."""
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = value


def _read_list(storage: NodeStorage, slot: bytes, size: int, name: str, most: int) -> frozenset[bytes]:
    count = int.from_bytes(storage.read(slot, 0, 4), "little")
    if count > most:
        raise VmFault(f"out_of {name}")
    data = storage.read(slot, 4, count * size)
    return frozenset(data[at : at + size] for at in range(0, len(data), size))

"""A run without a guest: its state, and the VM that it begins with."""

from __future__ import annotations

from collections.abc import Callable

from genvm_executor.channel.job import Job, job_of
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.storage_view import NodeStorage, PageCache, WrittenStorage
from genvm_executor.requests.vm_frame import EntryKind, Rights, VmEntry, VmFrame
from genvm_wire.calldata import Encodable

from .executor_process import CONTRACT, job_message

RunOfLine = Callable[[str], RunState]
ALL_RIGHTS = Rights(deterministic=True, write=True, send=True, call=True, nondet=True)


def parsed(**changes: Encodable) -> Job:
    return job_of(job_message(**changes))


def frame_of(run: RunState) -> VmFrame:
    """With every right, over storage that has nothing in it."""
    storage = WrittenStorage(NodeStorage(lambda slot, offset, length: bytes(length), PageCache()), run.budget)
    return VmFrame(CONTRACT, b"", VmEntry(EntryKind.MAIN, b""), ALL_RIGHTS, storage, is_init=False, value=0)

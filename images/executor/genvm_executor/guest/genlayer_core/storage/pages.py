"""The contract's own storage: a read cache and a write-back buffer in front of the host.

A crossing to the host costs about a tenth of a millisecond and storage is read inside property getters, so:

* reads load whole pages, doubling the amount while they go on in sequence;
* the first write to a slot goes straight to the host: a locked slot or a read-only run raises `SystemError`
  at the statement that wrote, where a contract can still catch it. Later writes wait in the buffer, adjacent
  ones joined, until `flush()`; what the host refuses then (a page budget) raises there;
* nothing is written that the contract did not write: the host counts touched pages.

`os._exit` in a contract loses what was not flushed.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import _genlayer_wasi as host

from .slots import SLOT_SIZE, Slot

if TYPE_CHECKING:
    from typing_extensions import Buffer

PAGE = 256
MAX_READAHEAD_PAGES = 256
MAX_PENDING_BYTES = 1 << 20


class Pending:
    """Written bytes that the host has not seen: disjoint runs that never touch, in ascending order."""

    __slots__ = ("chunks", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.chunks: list[bytearray] = []

    def put(self, off: int, data: bytes) -> None:
        """Add bytes over whatever was there."""
        starts, chunks = self.starts, self.chunks
        at = bisect_right(starts, off) - 1
        if at >= 0 and off <= starts[at] + len(chunks[at]):
            inner = off - starts[at]
            chunks[at][inner : inner + len(data)] = data
        else:
            at += 1
            starts.insert(at, off)
            chunks.insert(at, bytearray(data))
        end = starts[at] + len(chunks[at])
        after = at + 1
        while after < len(starts) and starts[after] <= end:
            chunks[at] += chunks[after][end - starts[after] :]
            end = starts[at] + len(chunks[at])
            after += 1
        del starts[at + 1 : after], chunks[at + 1 : after]

    def overlay(self, off: int, buffer: bytearray) -> None:
        """Put the pending bytes that fall into [off, off + len(buffer)) over `buffer`."""
        end = off + len(buffer)
        at = max(bisect_right(self.starts, off) - 1, 0)
        while at < len(self.starts) and self.starts[at] < end:
            start, chunk = self.starts[at], self.chunks[at]
            low, high = max(start, off), min(start + len(chunk), end)
            if low < high:
                buffer[low - off : high - off] = chunk[low - start : high - start]
            at += 1


class HostSlot(Slot):
    """A slot behind the host."""

    __slots__ = ("_accepted", "_next_page", "_pages", "_pending", "_window")

    manager: HostManager

    def __init__(self, manager: HostManager, slot_id: bytes) -> None:
        super().__init__(manager, slot_id)
        self._pages: dict[int, bytearray] = {}
        self._pending = Pending()
        self._accepted = False
        self._next_page = -1
        self._window = 1

    def read(self, off: int, n: int) -> bytes:
        first, last = off // PAGE, (off + n - 1) // PAGE
        if first == last and (page := self._pages.get(first)) is not None:
            at = off - first * PAGE
            return bytes(page[at : at + n])
        if n <= 0:
            return b""
        if off < 0 or off + n > SLOT_SIZE:
            host.storage_read(self.id, off, bytearray(n))
            raise SystemError("2: inval")
        return self._read_pages(off, n, first, last)

    def _read_pages(self, off: int, n: int, first: int, last: int) -> bytes:
        pages = self._pages
        number = first
        while number <= last:
            if number in pages:
                number += 1
                continue
            stop = number + 1
            while stop <= last and stop not in pages:
                stop += 1
            number = self._load(number, stop)
        data = b"".join([pages[number] for number in range(first, last + 1)])
        at = off - first * PAGE
        return data[at : at + n]

    def _load(self, start: int, stop: int) -> int:
        """Load pages [start, stop), more when reads go on in sequence; the page after the last one loaded."""
        self._window = min(self._window * 2, MAX_READAHEAD_PAGES) if start == self._next_page else 1
        wanted = max(stop, start + self._window)
        while stop < wanted and stop not in self._pages and (stop + 1) * PAGE <= SLOT_SIZE:
            stop += 1
        buffer = bytearray((stop - start) * PAGE)
        host.storage_read(self.id, start * PAGE, buffer)
        self._pending.overlay(start * PAGE, buffer)
        for number in range(start, stop):
            at = (number - start) * PAGE
            self._pages[number] = buffer[at : at + PAGE]
        self._next_page = stop
        return stop

    def write(self, off: int, data: Buffer) -> None:
        raw = bytes(data)
        if not raw:
            return
        if not self._accepted or off < 0 or off + len(raw) > SLOT_SIZE:
            host.storage_write(self.id, off, raw)
            self._accepted = True
        else:
            self._pending.put(off, raw)
            self.manager.note_pending(self, len(raw))
        self._update_pages(off, raw)

    def _update_pages(self, off: int, raw: bytes) -> None:
        pages = self._pages
        if not pages:
            return
        end = off + len(raw)
        for number in range(off // PAGE, (end - 1) // PAGE + 1):
            if (page := pages.get(number)) is not None:
                base = number * PAGE
                low, high = max(base, off), min(base + PAGE, end)
                page[low - base : high - base] = raw[low - off : high - off]

    def flush(self) -> None:
        """Hand the pending bytes to the host, in ascending order."""
        # Refused bytes stay pending: a contract that swallows the error must not end with half of its writes.
        for start, chunk in zip(self._pending.starts, self._pending.chunks, strict=True):
            host.storage_write(self.id, start, bytes(chunk))
        self._pending = Pending()

    def forget(self) -> None:
        """Drop the read cache: somebody else may have written."""
        self._pages.clear()
        self._next_page = -1

    def __reduce__(self) -> tuple[Any, ...]:
        return (host_slot, (self.id,))


class HostManager:
    """All slots of the running contract."""

    def __init__(self) -> None:
        self._slots: dict[bytes, HostSlot] = {}
        self._dirty: dict[bytes, HostSlot] = {}
        self._pending_bytes = 0

    def slot(self, slot_id: bytes) -> HostSlot:
        """The slot with this 32-byte id."""
        slot = self._slots.get(slot_id)
        if slot is None:
            if len(slot_id) != 32:
                raise ValueError(f"a slot id has 32 bytes, not {len(slot_id)}")
            slot = self._slots[slot_id] = HostSlot(self, bytes(slot_id))
        return slot

    get_store_slot = slot

    def note_pending(self, slot: HostSlot, size: int) -> None:
        """Remember that a slot has pending bytes; bounds how many there are."""
        self._dirty[slot.id] = slot
        self._pending_bytes += size
        if self._pending_bytes > MAX_PENDING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand every pending byte to the host. Raises SystemError when it refuses."""
        while self._dirty:
            slot_id = next(iter(self._dirty))
            self._dirty[slot_id].flush()
            del self._dirty[slot_id]
        self._pending_bytes = 0

    def forget_reads(self) -> None:
        """Drop every read cache; pending bytes must have been flushed."""
        for slot in self._slots.values():
            slot.forget()


HOST = HostManager()


def host_slot(slot_id: bytes) -> HostSlot:
    """The running contract's slot with this id (what a pickled slot turns into)."""
    return HOST.slot(slot_id)

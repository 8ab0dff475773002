"""The contract's own storage: a read cache and a write-back buffer in front of the host.

A crossing to the host costs about a tenth of a millisecond and storage is read inside property getters, so:

* reads load whole pages, doubling the amount while they go on in sequence; what was written here is read
  from here, whether its page was loaded or not;
* writes wait in their pages until `flush()`, which hands all of them to the host at once. What would be
  refused (a locked slot, a read-only run) goes to the host at once: it raises `SystemError` at the statement
  that wrote, where a contract can still catch it. What the host refuses later (a page budget) raises there;
* nothing is written that the contract did not write: the host counts touched pages.

`os._exit` in a contract loses what was not flushed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import _genlayer_wasi as host

from .slots import SLOT_SIZE, KnownToContracts, Slot

SHIFT = 8
PAGE = 1 << SHIFT
MAX_READAHEAD_PAGES = 256
MAX_DIRTY_PAGES = 4096
WRITE_THROUGH = 16 * 1024
"""Bytes of one write from which on it goes to the host: to cut it into pages would take longer."""

_WHOLE = (1 << PAGE) - 1
_FIRST = [(1 << n) - 1 for n in range(PAGE + 1)]
"""Masks of the first n bytes of a page."""


class Page:
    """256 bytes. `known` has a bit for each that is as in storage, `dirty` for each that the host lacks."""

    __slots__ = ("data", "dirty", "known")

    def __init__(self, data: bytearray, known: int) -> None:
        self.data = data
        self.known = known
        self.dirty = 0

    def note_known(self, written: int) -> None:
        """Those bytes were written; a page that has all is told by `is`."""
        self.known |= written
        if self.known == _WHOLE:
            self.known = _WHOLE

    def complete(self, data: bytearray) -> None:
        """Add what the host has to what was written here."""
        for start, stop in runs_of(self.known):
            data[start:stop] = self.data[start:stop]
        self.data = data
        self.known = _WHOLE


def runs_of(mask: int) -> Iterator[tuple[int, int]]:
    """Where the set bits of a mask begin and end, in ascending order."""
    at = 0
    while mask:
        gap = (mask & -mask).bit_length() - 1
        mask >>= gap
        length = (~mask & (mask + 1)).bit_length() - 1
        mask >>= length
        yield at + gap, at + gap + length
        at += gap + length


class HostSlot(Slot):
    """A slot behind the host."""

    __slots__ = ("_dirty", "_next_page", "_open", "_pages", "_window")

    manager: HostManager

    def __init__(self, manager: HostManager, slot_id: bytes) -> None:
        super().__init__(manager, slot_id)
        self._pages: dict[int, Page] = {}
        self._dirty: list[int] = []
        self._open = False
        self._next_page = -1
        self._window = 1

    def read(self, off: int, n: int) -> bytes:
        page = self._pages.get(off >> SHIFT)
        if page is not None:
            at = off & PAGE - 1
            end = at + n
            if end <= PAGE and (page.known is _WHOLE or not _FIRST[n] << at & ~page.known):
                return bytes(page.data[at:end])
        if n <= 0:
            return b""
        if off < 0 or off + n > SLOT_SIZE:
            host.storage_read(self.id, off, bytearray(n))
            raise SystemError("2: inval")
        return self._read_pages(off, n)

    def number(self, off: int, n: int, signed: bool = False) -> int:
        page = self._pages.get(off >> SHIFT)
        if page is not None and page.known is _WHOLE:
            at = off & PAGE - 1
            end = at + n
            if end <= PAGE:
                return int.from_bytes(page.data[at:end], "little", signed=signed)
        return int.from_bytes(self.read(off, n), "little", signed=signed)

    def _read_pages(self, off: int, n: int) -> bytes:
        first, last = off >> SHIFT, (off + n - 1) >> SHIFT
        pages = self._pages
        number = first
        while number <= last:
            if not self._lacks(number, off, off + n):
                number += 1
                continue
            stop = number + 1
            while stop <= last and self._lacks(stop, off, off + n):
                stop += 1
            number = self._load(number, stop)
        data = b"".join([pages[number].data for number in range(first, last + 1)])
        at = off - first * PAGE
        return data[at : at + n]

    def _lacks(self, number: int, off: int, end: int) -> bool:
        """Whether a page does not have all of the bytes from `off` to `end` that fall into it."""
        page = self._pages.get(number)
        if page is None:
            return True
        low, high = max(off - number * PAGE, 0), min(end - number * PAGE, PAGE)
        return _FIRST[high - low] << low & ~page.known != 0

    def _load(self, start: int, stop: int) -> int:
        """Load pages [start, stop), more when reads go on in sequence; the page after the last one loaded."""
        pages = self._pages
        self._window = min(self._window * 2, MAX_READAHEAD_PAGES) if start == self._next_page else 1
        wanted = max(stop, start + self._window)
        while stop < wanted and stop not in pages and (stop + 1) * PAGE <= SLOT_SIZE:
            stop += 1
        buffer = bytearray((stop - start) * PAGE)
        host.storage_read(self.id, start * PAGE, buffer)
        for number in range(start, stop):
            at = (number - start) * PAGE
            data = buffer[at : at + PAGE]
            if (page := pages.get(number)) is None:
                pages[number] = Page(data, _WHOLE)
            else:
                page.complete(data)
        self._next_page = stop
        return stop

    def put(self, off: int, raw: bytes) -> None:
        n = len(raw)
        at = off & PAGE - 1
        end = at + n
        number = off >> SHIFT
        page = self._pages.get(number)
        if page is None or end > PAGE or not self._open:
            self._put_anywhere(off, raw)
            return
        page.data[at:end] = raw
        written = _FIRST[n] << at
        if page.known is not _WHOLE:
            page.note_known(written)
        if page.dirty:
            page.dirty |= written
        elif n:
            page.dirty = written
            self._note(number)

    def _put_anywhere(self, off: int, raw: bytes) -> None:
        """`put` where there is no page, where there are several, and for the first time."""
        if not raw:
            return
        if off < 0 or off + len(raw) > SLOT_SIZE or not (self._open or self.manager.may_write(self.id)):
            host.storage_write(self.id, off, raw)
            raise SystemError("5: io (the host took what it would refuse)")
        self._open = True
        if len(raw) >= WRITE_THROUGH:
            self._write_through(off, raw)
            return
        done = 0
        while done < len(raw):
            number, at = divmod(off + done, PAGE)
            part = raw[done : done + PAGE - at]
            if number not in self._pages:
                self._pages[number] = Page(bytearray(PAGE), 0)
            self.put(off + done, part)
            done += len(part)

    def _write_through(self, off: int, raw: bytes) -> None:
        numbers = range(off >> SHIFT, ((off + len(raw) - 1) >> SHIFT) + 1)
        if any(number in numbers for number in self._dirty):
            self.manager.flush()
        host.storage_write(self.id, off, raw)
        for number in numbers:
            self._pages.pop(number, None)

    def _note(self, number: int) -> None:
        self._dirty.append(number)
        self.manager.note_dirty(self, first=len(self._dirty) == 1)

    def pending(self) -> Iterator[tuple[int, bytes]]:
        """What the host has not seen, adjacent bytes joined, in ascending order."""
        start, end = 0, 0
        parts: list[bytearray] = []
        for number in sorted(self._dirty):
            page, base = self._pages[number], number * PAGE
            for low, high in runs_of(page.dirty):
                if parts and base + low != end:
                    yield start, b"".join(parts)
                    parts = []
                start = start if parts else base + low
                parts.append(page.data[low:high])
                end = base + high
        if parts:
            yield start, b"".join(parts)

    def seen(self) -> None:
        """The host has all of it."""
        for number in self._dirty:
            self._pages[number].dirty = 0
        self._dirty.clear()

    def forget(self) -> None:
        """Drop the read cache: somebody else may have written."""
        self._pages = {number: self._pages[number] for number in self._dirty}
        for page in self._pages.values():
            page.known = page.dirty
        self._next_page = -1
        if self.decoded is not None:
            self.decoded.overwritten(self, 0, SLOT_SIZE)

    def __reduce__(self) -> tuple[Any, ...]:
        return (host_slot, (self.id,))


class HostManager(KnownToContracts):
    """All slots of the running contract."""

    def __init__(self) -> None:
        self._slots: dict[bytes, HostSlot] = {}
        self._dirty: list[HostSlot] = []
        self._dirty_pages = 0
        self._rights: tuple[bool, frozenset[bytes]] | None = None

    def slot(self, slot_id: bytes) -> HostSlot:
        """The slot with this 32-byte id."""
        slot = self._slots.get(slot_id)
        if slot is None:
            if len(slot_id) != 32:
                raise ValueError(f"a slot id has 32 bytes, not {len(slot_id)}")
            slot = self._slots[slot_id] = HostSlot(self, bytes(slot_id))
        return slot

    def may_write(self, slot_id: bytes) -> bool:
        """Whether the host takes writes to this slot. They are the same for the VM's whole life."""
        if self._rights is None:
            self._rights = host.storage_rights()
        writable, locked = self._rights
        return writable and slot_id not in locked

    def note_dirty(self, slot: HostSlot, *, first: bool) -> None:
        """Remember that a slot has a dirty page more; bounds how many there are."""
        if first:
            self._dirty.append(slot)
        self._dirty_pages += 1
        if self._dirty_pages > MAX_DIRTY_PAGES:
            self.flush()

    def flush(self) -> None:
        """Hand every written byte to the host. Raises SystemError when it refuses."""
        if not self._dirty:
            return
        # Refused bytes stay: a contract that swallows the error must not end with half of its writes.
        host.storage_write_all([(slot.id, off, raw) for slot in self._dirty for off, raw in slot.pending()])
        for slot in self._dirty:
            slot.seen()
        self._dirty.clear()
        self._dirty_pages = 0

    def forget_reads(self) -> None:
        """Drop every read cache; pending bytes must have been flushed."""
        for slot in self._slots.values():
            slot.forget()


HOST = HostManager()


def host_slot(slot_id: bytes) -> HostSlot:
    """The running contract's slot with this id (what a pickled slot turns into)."""
    return HOST.slot(slot_id)

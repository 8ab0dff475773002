"""Contract storage as a VM sees it: pages of the node, and the VM's own writes on top.

A slot is 2^32 bytes in pages of 32. Reads go to the node once per page; writes stay here until the run is
known to return.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Protocol

from genvm_executor.machine.outcome import VmFault
from genvm_executor.requests.kept import WRITTEN_PAGE, WRITTEN_SLOT, Kept

PAGE = 32
SLOT_SIZE = 2**32
MAX_CACHED_PAGES = 1 << 16
"""Of a run: a page takes a quarter of a KiB."""
_UNCACHED_FROM = 64 * 1024


class Readable(Protocol):
    def read(self, slot: bytes, offset: int, length: int) -> bytes: ...


class PageCache:
    """Pages of all contracts that a run has read; `reads` counts what the node was asked."""

    def __init__(self) -> None:
        self.pages: dict[tuple[NodeStorage, bytes, int], bytes] = {}
        self.reads = 0


class NodeStorage:
    """One contract's storage at the node, at one view. `fetch(slot, offset, length)` asks the node."""

    def __init__(self, fetch: Callable[[bytes, int, int], bytes], cache: PageCache) -> None:
        self._fetch = fetch
        self._cache = cache

    def read(self, slot: bytes, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`; cached by page unless the range is large."""
        if length == 0:
            return b""
        if length >= _UNCACHED_FROM:
            self._cache.reads += 1
            return self._fetch(slot, offset, length)
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        self._load_missing(slot, first, last)
        pages = self._cache.pages
        data = b"".join([pages[self, slot, index] for index in range(first, last + 1)])
        start = offset - first * PAGE
        return data[start : start + length]

    def _load_missing(self, slot: bytes, first: int, last: int) -> None:
        pages = self._cache.pages
        missing = [index for index in range(first, last + 1) if (self, slot, index) not in pages]
        if not missing:
            return
        if len(pages) > MAX_CACHED_PAGES:
            pages.clear()
            missing = list(range(first, last + 1))
        low, high = missing[0], missing[-1]
        self._cache.reads += 1
        data = self._fetch(slot, low * PAGE, (high - low + 1) * PAGE)
        for index in range(low, high + 1):
            at = (index - low) * PAGE
            pages[self, slot, index] = data[at : at + PAGE]


class PageBudget:
    """How many pages the run may write; None is no limit (spec: contract-runtime 5).

    `kept` counts what they take in any case.
    """

    def __init__(self, pages: int | None, kept: Kept) -> None:
        self._left = pages
        self.kept = kept

    def spend(self, pages: int = 1) -> None:
        """Raises VmFault `OOM storage` when nothing is left."""
        if self._left is None:
            return
        if self._left < pages:
            raise VmFault("OOM storage")
        self._left -= pages


class WrittenStorage:
    """Writes of one VM over what lies below: the node, or the writes of the VM that started it."""

    def __init__(self, base: Readable, budget: PageBudget) -> None:
        self._base = base
        self._budget = budget
        self._slots: defaultdict[bytes, dict[int, bytearray]] = defaultdict(dict)
        self._laid: dict[bytes, bytes] = {}
        """Whole pages from a slot's beginning; pages that were written later lie above them."""
        self.writes = 0

    def read(self, slot: bytes, offset: int, length: int) -> bytes:
        below = self._below(slot, offset, length)
        written = self._slots.get(slot)
        if not written or not length:
            return below
        first, last = offset // PAGE, (offset + length - 1) // PAGE
        touched = (
            [index for index in range(first, last + 1) if index in written]
            if (last - first < len(written))
            else [index for index in written if first <= index <= last]
        )
        if not touched:
            return below
        result = bytearray(below)
        for index in touched:
            start = index * PAGE - offset
            low, high = max(start, 0), min(start + PAGE, length)
            result[low:high] = written[index][low - start : high - start]
        return bytes(result)

    def _below(self, slot: bytes, offset: int, length: int) -> bytes:
        """What is there without the pages that were written one by one."""
        laid = self._laid.get(slot, b"")[offset : offset + length] if self._laid else b""
        if not laid:
            return self._base.read(slot, offset, length)
        return laid + self._base.read(slot, offset + len(laid), length - len(laid))

    def lay(self, slot: bytes, data: bytes) -> None:
        """Write something large from a slot's beginning, before anything else is written there: it is held
        as it is, a page of it would take ten times as much. Raises VmFault when the page budget is spent.
        """
        self.writes += 1
        self._budget.spend(-(-len(data) // PAGE))
        self._laid[slot] = data + self._base.read(slot, len(data), -len(data) % PAGE)

    def write(self, slot: bytes, offset: int, data: bytes) -> None:
        """Raises VmFault when the page budget is spent."""
        self.writes += 1
        position = 0
        while position < len(data):
            index, start = divmod(offset + position, PAGE)
            piece = data[position : position + PAGE - start]
            self._page(slot, index, len(piece) == PAGE)[start : start + len(piece)] = piece
            position += len(piece)

    def _page(self, slot: bytes, index: int, whole: bool) -> bytearray:
        written = self._slots[slot]
        page = written.get(index)
        if page is None:
            if not self.holds(slot, index):
                self._budget.spend()
            self._budget.kept.add(WRITTEN_PAGE if written else WRITTEN_PAGE + WRITTEN_SLOT)
            page = bytearray(PAGE) if whole else bytearray(self._below(slot, index * PAGE, PAGE))
            written[index] = page
        return page

    def holds(self, slot: bytes, index: int) -> bool:
        """Whether this page was written here or in a VM around this one."""
        if index in self._slots.get(slot, ()):
            return True
        if self._laid and index * PAGE < len(self._laid.get(slot, b"")):
            return True
        return isinstance(self._base, WrittenStorage) and self._base.holds(slot, index)

    def merge_from(self, child: WrittenStorage) -> None:
        """Take over what a sandbox wrote; its pages were paid for when it wrote them."""
        for slot, pages in child._slots.items():
            self._slots[slot].update(pages)
        self.writes += child.writes

    def runs(self) -> Iterator[tuple[bytes, int, bytes]]:
        """(slot, page index, bytes of adjacent pages), sorted: storage changes (host-protocol 7)."""
        for slot in sorted(self._slots.keys() | self._laid.keys()):
            begin, pieces, following = 0, list[bytes | bytearray](), 0
            for index, data in self._pieces(slot):
                if index != following and pieces:
                    yield slot, begin, b"".join(pieces)
                    pieces = []
                if not pieces:
                    begin = index
                pieces.append(data)
                following = index + len(data) // PAGE
            if pieces:
                yield slot, begin, b"".join(pieces)

    def _pieces(self, slot: bytes) -> Iterator[tuple[int, bytes | bytearray]]:
        """Whole pages by their first index, in order."""
        laid, pages = self._laid.get(slot), self._slots.get(slot, {})
        indices = sorted(pages)
        if laid is not None:
            above = bisect_left(indices, len(laid) // PAGE)
            whole = bytearray(laid)
            for index in indices[:above]:
                whole[index * PAGE : (index + 1) * PAGE] = pages[index]
            yield 0, whole
            indices = indices[above:]
        for index in indices:
            yield index, pages[index]

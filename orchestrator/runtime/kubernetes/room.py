"""Which starts wait for room in the cluster, and why; and who of them is asked for room for first.

A scheduler tries a Pod that found no room again after 1 s, then 2, up to 10 s, and a new one at once: while
starts go on to be made, each of them may take the room that an older one waits for. So nothing is made that
wants what an older start waits for: whoever comes later waits in line, and all that are in it go on together
when nobody waits any more. Nobody waits there for longer than a scheduler lets the older ones wait for their
next try: by its Pods the cluster's autoscaler sees what is wanted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from orchestrator.runtime.port import InstanceSpec, Role

log = structlog.get_logger(__name__)

ROOM_PAUSE_S = 1.0
"""Between two tries to get some. How many there are is the caller's time alone."""
LINE_S = 10.0
"""In line at most: a scheduler's longest pause between two tries of one Pod."""

OTHERS_HAVE_IT = ("exceeded quota:", "Insufficient ", "Too many pods", "OutOf")
"""In the cluster's words when room comes with the end of any Pod: not a taint, a volume, a busy server."""

_Size = tuple[int, float]
Say = Callable[[str | None], None]
"""Why it waits now, in the cluster's words; None: it does not."""


@dataclass(slots=True, eq=False)
class _Part:
    """A part of the start of `spec`. `in_line`: it waits for one that waits; nothing is made yet."""

    spec: InstanceSpec
    why: str = ""
    in_line: bool = False
    others_have_it: bool = False

    @property
    def holds_others(self) -> bool:
        return self.others_have_it and not self.in_line

    def is_before(self, spec: InstanceSpec) -> bool:
        """Whether what it holds is for `spec` to wait for. A run waits for no instance kept ready."""
        return self.spec.name != spec.name and (_is_spare(spec) or not _is_spare(self.spec))


def _size(spec: InstanceSpec) -> _Size:
    return spec.memory_bytes, spec.cpus


def _is_spare(spec: InstanceSpec) -> bool:
    return spec.role is Role.EXECUTOR and spec.execution_id is None


class Room:
    """Who has none. `line`: seconds that nothing is made for who comes after one that waits, at most."""

    def __init__(self, line: float = LINE_S) -> None:
        self._line = line
        self._parts: dict[_Part, None] = {}
        self._holding: dict[_Size, dict[_Part, None]] = {}
        """Of those the ones that hold others, by what they wait for."""
        self._names: Counter[str] = Counter()
        """Of the instances that wait for what others have, with how many parts each."""
        self._changed = asyncio.Event()

    @property
    def why(self) -> str | None:
        """Of the newest that waits; null when none does."""
        return next((part.why for part in reversed(self._parts)), None)

    @property
    def waiting(self) -> frozenset[str]:
        """The instances whose starts wait for what others have."""
        return frozenset(self._names)

    @contextmanager
    def wait(self, spec: InstanceSpec) -> Iterator[Say]:
        """A part of the start of `spec` that may wait; afterwards it does not."""
        part = _Part(spec)
        try:
            yield lambda why: self._say(part, why)
        finally:
            self._say(part, None)

    async def turn(self, spec: InstanceSpec) -> None:
        """Return when nobody waits for what `spec` would take, or after a while. Nothing of it is made yet.

        At once for what a run waits for that has room itself, and for who has waited for some before.
        """
        if spec.awaited or spec.role is not Role.EXECUTOR or spec.name in self._names:
            return
        part = _Part(spec, in_line=True)
        try:
            # What is kept ready has time: made for room that a run waits for, it would be ready beside it.
            async with asyncio.timeout(None if _is_spare(spec) else self._line):
                while (first := self._first_before(spec)) is not None:
                    self._say(part, first.why)
                    await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._say(part, None)

    def _first_before(self, spec: InstanceSpec) -> _Part | None:
        return next((part for part in self._holding.get(_size(spec), {}) if part.is_before(spec)), None)

    def _say(self, part: _Part, why: str | None) -> None:
        held_others = part.holds_others
        self._note(part, why is not None and any(words in why for words in OTHERS_HAVE_IT))
        if why is None:
            self._parts.pop(part, None)
            part.why = ""
        else:
            if not self._parts:
                log.info("pods_wait_for_room", why=why)
            part.why = why
            self._parts[part] = None
        if held_others and not part.holds_others:
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def _note(self, part: _Part, others_have_it: bool) -> None:
        """Keep at hand what each start asks: with a thousand of them nobody may look at all the others."""
        if others_have_it == part.others_have_it:
            return
        part.others_have_it = others_have_it
        name, holding = part.spec.name, self._holding.setdefault(_size(part.spec), {})
        self._names[name] += 1 if others_have_it else -1
        if not self._names[name]:
            del self._names[name]
        if part.holds_others:
            holding[part] = None
        else:
            holding.pop(part, None)
        if not holding:
            del self._holding[_size(part.spec)]

"""Where an instance and the manager meet: its control socket and, where it has a watchdog, that one's."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from orchestrator.runtime.meeting import Meeting
from orchestrator.runtime.port import InstanceSpec
from orchestrator.runtime.rendezvous import WATCH_NAME, InstanceDirectories, Rendezvous
from orchestrator.runtime.watch_line import WatchLine

Listeners = tuple[socket.socket, socket.socket | None]


class MeetingPlaces:
    """One directory per instance. Both raise EngineRefused when it cannot be had."""

    def __init__(self, directories: InstanceDirectories, frame_timeout: float) -> None:
        self._directories = directories
        self._frame_timeout = frame_timeout

    async def make(self, spec: InstanceSpec, *, guarded: bool) -> Meeting:
        """For a new instance."""
        return self._meeting(spec, *await asyncio.to_thread(self._listen, spec.name, guarded))

    async def find(self, spec: InstanceSpec, *, guarded: bool) -> Meeting:
        """For an instance that an earlier manager started."""
        return self._meeting(spec, *await asyncio.to_thread(self._listen_again, spec.name, guarded))

    def _listen(self, name: str, guarded: bool) -> Listeners:
        control = self._directories.listen(name)
        try:
            return control, self._watch(name) if guarded else None
        except BaseException:
            control.close()
            self._directories.remove(name)
            raise

    def _listen_again(self, name: str, guarded: bool) -> Listeners:
        control = self._directories.relisten(name)
        try:
            return control, self._watch(name) if guarded else None
        except BaseException:
            control.close()
            raise

    def _watch(self, name: str) -> socket.socket:
        return self._directories.relisten(name, WATCH_NAME)

    def _meeting(self, spec: InstanceSpec, control: socket.socket, watch: socket.socket | None) -> Meeting:
        line = None if watch is None else WatchLine(watch)
        listen = partial(self._directories.listen_for_program, spec.name)
        return Meeting(spec.name, Rendezvous(control, self._frame_timeout), listen, line)

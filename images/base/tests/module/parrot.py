"""A module for tests: answers what it is told to, and records what happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genvm_module.contract import Caller, ConfigurationRefused, Health, Terms
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable, Value


@dataclass
class Parrot:
    """`configure({"refuse": text})` refuses; every other configuration is served."""

    name: str = "llm"
    version: str = "v1"
    services: list[ParrotService] = field(default_factory=list)

    async def configure(self, config: Mapping[str, object], *, allow_empty_backends: bool) -> ParrotService:
        if "refuse" in config:
            raise ConfigurationRefused(str(config["refuse"]))
        service = ParrotService(config, allow_empty_backends)
        self.services.append(service)
        return service


@dataclass
class ParrotService:
    config: Mapping[str, object]
    allow_empty_backends: bool
    notes: Sequence[str] = ("a note",)
    opened: list[ParrotTalk] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def closed(self) -> bool:
        return self.over.is_set()

    def open(self, caller: Caller, terms: Terms) -> ParrotTalk:
        talk = ParrotTalk(caller, terms)
        self.opened.append(talk)
        return talk

    def health(self) -> Health:
        return Health(True, "fine", {"talks": len(self.opened)})

    async def close(self) -> None:
        self.over.set()


@dataclass
class ParrotTalk:
    """Requests: `"who"`, `"wait"`, `"fatal"`, `"observe"`, `"bug"`, `"fraction"`; others come back."""

    caller: Caller
    terms: Terms
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    closed: bool = False

    async def answer(self, request: Value) -> Encodable:
        match request:
            case "who":
                return {"run": self.caller.run, "host_data": self.caller.host_data, "role": self.caller.role}
            case "wait":
                return await self._wait()
            case "fatal":
                raise ModuleError("SENDING_REQUEST", fatal=True, ctx={"url": "http://u"}).wrapped("OUTER")
            case "observe":
                raise ModuleError("WEBPAGE_LOAD_FAILED", fatal=False, ctx={"status": 404, "share": 0.5})
            case "bug":
                raise LookupError("some detail")
            case "fraction":
                return {"share": 0.5}  # type: ignore[dict-item]
        return request

    async def _wait(self) -> Encodable:
        self.waiting.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return "waited"

    def statistics(self) -> dict[str, Encodable]:
        return {"scripting": {"requests_count": 2, "requests_time": 30}}

    async def close(self) -> None:
        self.closed = True

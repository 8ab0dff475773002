"""A real module behind the mocks, for recording."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Protocol

from genvm_module.streams import FramedStream, StreamBroken
from genvm_wire.messages import Message
from genvm_wire.module_messages import ConfigurationFailed, Configured, OpenSession, from_module
from orchestrator.runtime.port import Instance, InstanceSpec, Runtime, RuntimeFailure
from orchestrator.tasks import cancel_and_wait


class NotAsked(Exception):
    """A real module could not be asked; the text says why."""


class RealModule:
    """Starts with its first question, so that a session needs only those that are asked."""

    def __init__(self, runtime: Runtime, spec: InstanceSpec) -> None:
        self._runtime = runtime
        self._spec = spec
        self._turn = asyncio.Lock()
        self._instance: Instance | None = None
        self._listening: asyncio.Task[None] | None = None

    async def instance(self, configuration: Message) -> Instance:
        """The configured module. Raises NotAsked, RuntimeFailure."""
        async with self._turn:
            if self._instance is None:
                self._instance = await self._configured(configuration)
            return self._instance

    async def _configured(self, configuration: Message) -> Instance:
        instance = await self._runtime.start(replace(self._spec, name=f"{self._spec.name}-real"))
        await instance.control.send(configuration)
        while not isinstance(
            said := await instance.control.receive(from_module), Configured | ConfigurationFailed
        ):
            pass
        if isinstance(said, ConfigurationFailed):
            await instance.destroy()
            raise NotAsked(said.message)
        self._listening = asyncio.create_task(self._listen(instance), name="real-module")
        return instance

    async def _listen(self, instance: Instance) -> None:
        """What it has to say besides is not wanted, but must not pile up."""
        with suppress(RuntimeFailure):
            while True:
                await instance.control.receive(from_module)

    async def destroy(self) -> None:
        if self._listening is not None:
            await cancel_and_wait(self._listening)
        if self._instance is not None:
            await self._instance.destroy()


class KnowsConfiguration(Protocol):
    """Whoever knows how the module is configured."""

    configuration: Message | None


class Asking:
    """One run's way to a real module, opened by its first question; `held` closes it."""

    def __init__(
        self,
        real: RealModule | None,
        control: KnowsConfiguration,
        session: OpenSession,
        hello: bytes,
        held: AsyncExitStack,
    ) -> None:
        self._real = real
        self._control = control
        self._session = session
        self._hello = hello
        self._held = held
        self._stream: FramedStream | None = None

    async def ask(self, body: bytes) -> bytes:
        """The module's answer. Raises NotAsked, RuntimeFailure."""
        try:
            stream = self._stream or await self._open()
            await stream.send(body)
            answer = await stream.receive()
        except StreamBroken as broken:
            raise NotAsked(str(broken)) from None
        if answer is None:
            raise NotAsked("it has gone")
        return answer

    async def _open(self) -> FramedStream:
        if self._real is None or self._control.configuration is None:
            raise NotAsked("there is none")
        instance = await self._real.instance(self._control.configuration)
        line = await instance.open(self._session)
        reader, writer = await asyncio.open_connection(sock=await line.connect())
        stream = self._stream = FramedStream(reader, writer)
        self._held.push_async_callback(stream.close)
        await stream.send(self._hello)
        return stream

"""The process runtime: an instance is a plain child process. It does NOT isolate.

For laptops, unit tests and as the benchmark's baseline. What it does give: a process group of its own that is
killed as a whole, a clean environment, no core files, and the same port as the container runtimes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import structlog

from orchestrator.runtime import process_records
from orchestrator.runtime.conversation import Conversation, made_ready
from orchestrator.runtime.engineless import Engineless
from orchestrator.runtime.held_start import let_go, start_held
from orchestrator.runtime.meeting import Meeting
from orchestrator.runtime.port import (
    EngineRefused,
    InstanceExit,
    InstanceSpec,
    RuntimeStatistics,
)
from orchestrator.runtime.rendezvous import (
    SOCKET_NAME,
    SUN_PATH_LIMIT,
    InstanceDirectories,
    Rendezvous,
    check_name,
)
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

TAIL_BYTES = 2000
DESTROYED = InstanceExit(None, 9, False, "destroyed while it ran")


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """Which command stands for which image, and where control directories live."""

    manager_id: str
    state_dir: Path
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By image; images that are not named run `default_command`."""
    default_command: tuple[str, ...] = (sys.executable, "-m", "genvm_executor")
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the minimal one; the manager's own environment is never inherited."""
    data_limit: bool = False
    """Hold the process's data at the spec's memory with RLIMIT_DATA. Off: WebAssembly engines reserve far
    more than they use."""
    open_files: int = 1024


class ProcessInstance(Conversation):
    """Made by `ProcessRuntime`."""

    def __init__(
        self,
        spec: InstanceSpec,
        child: subprocess.Popen[bytes],
        meeting: Meeting,
        remove: Callable[[ProcessInstance], Awaitable[None]],
    ) -> None:
        super().__init__(meeting.connect, spec.role, meeting.inlet)
        self._spec = spec
        self._child = child
        self._remove = remove
        self._pidfd = os.pidfd_open(child.pid)
        self._tail = b""
        self.meeting = meeting
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pidfd, self._reap)
        assert child.stdout is not None
        self._output: IO[bytes] | None = child.stdout
        os.set_blocking(child.stdout.fileno(), False)
        loop.add_reader(child.stdout.fileno(), self._drain)

    @property
    def spec(self) -> InstanceSpec:
        return self._spec

    @property
    def engine_id(self) -> str:
        return str(self._child.pid)

    def end_within(self, seconds: float | None) -> None:
        """Nobody watches over a process but itself: its kernel timer ends it, from its job on."""

    async def wait_exit(self) -> InstanceExit:
        return await self.meeting.wait_exit()

    async def kill(self) -> None:
        """SIGKILL to the process group."""
        self.kill_group()

    def kill_group(self) -> None:
        # Until it is reaped its number cannot belong to another group.
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    async def destroy(self) -> None:
        self.meeting.close()
        await self._remove(self)

    def _reap(self) -> None:
        """The leader has ended: end the rest of its group, then let its number go."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.kill_group()
        code = self._child.wait()  # returns at once: the descriptor said so
        self._drain()
        self._close_output()
        detail = self._tail.decode("utf-8", "replace").strip() if code > 0 else ""
        if code < 0:
            self.meeting.end(InstanceExit(None, -code, False, detail))
        else:
            self.meeting.end(InstanceExit(code, None, False, detail))

    def _drain(self) -> None:
        """Keep the tail of the child's own output; never let it block on a full pipe."""
        if self._output is None:
            return
        try:
            data = os.read(self._output.fileno(), 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close_output()
        self._tail = (self._tail + data)[-TAIL_BYTES:]

    def _close_output(self) -> None:
        if self._output is not None:
            asyncio.get_running_loop().remove_reader(self._output.fileno())
            self._output.close()
            self._output = None


class ProcessRuntime(Engineless):
    """Implements `Runtime`, except that nothing survives its manager: `adopt` finds nothing."""

    def __init__(self, settings: ProcessSettings) -> None:
        self._settings = settings
        self._directories = InstanceDirectories(settings.state_dir.absolute())
        self._instances: dict[str, ProcessInstance | None] = {}
        self._tasks = TaskOwner("process")
        log.warning(
            "runtime_does_not_isolate",
            manager=settings.manager_id,
            runtime="process",
            advice="use docker for contracts that are not your own",
        )

    async def start(self, spec: InstanceSpec) -> ProcessInstance:
        """See `Runtime.start`. Raises EngineRefused."""
        name = check_name(spec.name)
        if name in self._instances:
            raise EngineRefused(f"an instance {name} exists already")
        path = self._directories.path / name / SOCKET_NAME
        if len(os.fsencode(path)) > SUN_PATH_LIMIT:
            raise EngineRefused(f"{path} is over {SUN_PATH_LIMIT} bytes: choose a shorter state directory")
        self._instances[name] = None
        work = asyncio.ensure_future(self._start(spec, path))
        try:
            instance = await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.shield(self._tasks.spawn(f"abandon {name}", self._abandon(work)))
            raise
        return await made_ready(instance)

    async def _abandon(self, work: asyncio.Future[ProcessInstance]) -> None:
        await asyncio.wait([work])
        if not work.cancelled() and work.exception() is None:
            await work.result().destroy()

    async def _start(self, spec: InstanceSpec, path: Path) -> ProcessInstance:
        rendezvous: Rendezvous | None = None
        child: subprocess.Popen[bytes] | None = None
        try:
            listener = await asyncio.to_thread(self._directories.listen, spec.name)
            rendezvous = Rendezvous(listener)
            child = await asyncio.to_thread(self._spawn, spec, path)
            listen = partial(self._directories.listen_for_program, spec.name)
            meeting = Meeting(spec.name, rendezvous, listen)
            instance = ProcessInstance(spec, child, meeting, self._destroy)
        except Exception:
            if child is not None:
                await asyncio.to_thread(_end, child)
            if rendezvous is not None:
                rendezvous.close()
                with suppress(OSError):  # why it did not start is what counts; the next sweep removes it
                    await asyncio.to_thread(self._directories.remove, spec.name)
            self._instances.pop(spec.name, None)
            raise
        self._instances[spec.name] = instance
        return instance

    def _spawn(self, spec: InstanceSpec, path: Path) -> subprocess.Popen[bytes]:
        command = self._settings.commands.get(spec.image, self._settings.default_command)
        environment = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            **self._settings.environment,
            "GENVM_CONTROL": str(path),
        }
        if spec.reuse > 1:
            environment["GENVM_REUSE"] = str(spec.reuse)
        try:
            child = start_held(command, environment)
            try:
                with suppress(ProcessLookupError):
                    self._limit(child.pid, spec)
                process_records.write(path.parent, child.pid)
                let_go(child)
            except BaseException:
                _end(child)
                raise
        except (OSError, ValueError) as error:
            raise EngineRefused(f"cannot start {command[0]}: {error}") from error
        return child

    def _limit(self, pid: int, spec: InstanceSpec) -> None:
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
        # A manager that has fewer itself cannot give more.
        files = min(self._settings.open_files, resource.prlimit(pid, resource.RLIMIT_NOFILE)[1])
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (files, files))
        if self._settings.data_limit:
            resource.prlimit(pid, resource.RLIMIT_DATA, (spec.memory_bytes, spec.memory_bytes))

    async def _destroy(self, instance: ProcessInstance) -> None:
        name = instance.spec.name
        await asyncio.shield(self._tasks.spawn(f"destroy {name}", self._destroy_all(instance)))

    async def _destroy_all(self, instance: ProcessInstance) -> None:
        instance.kill_group()
        await instance.wait_exit()
        if self._instances.get(instance.spec.name) is instance:
            try:
                await asyncio.to_thread(self._directories.remove, instance.spec.name)
            except OSError as error:
                raise EngineRefused(f"directory of {instance.spec.name}: {error.strerror}") from error
            self._instances.pop(instance.spec.name, None)

    async def adopt(self, spec: InstanceSpec) -> ProcessInstance | None:
        """None: a process is not this manager's child after its restart; `sweep` ends it."""
        check_name(spec.name)
        return None

    async def sweep(self, keep: frozenset[str]) -> list[str]:
        """End processes and remove directories that an earlier manager left; see `Runtime.sweep`."""
        names = await asyncio.to_thread(self._directories.names)
        removed = [name for name in names if name not in keep and name not in self._instances]
        for name in removed:
            await self.discard(name)
        return removed

    async def discard(self, name: str) -> None:
        """See `Runtime.discard`."""
        if check_name(name) in self._instances:
            raise EngineRefused(f"instance {name} is this manager's own")
        await asyncio.to_thread(partial(process_records.kill, self._directories.path / name))
        await asyncio.to_thread(self._directories.remove, name)

    def statistics(self) -> RuntimeStatistics:
        alive = sum(one is not None and not one.meeting.ended for one in self._instances.values())
        return RuntimeStatistics(alive, True, True, 0, 0)

    async def aclose(self) -> None:
        """Finish what was begun; instances are not touched, and listened to no more."""
        await self._tasks.join()
        for instance in self._instances.values():
            if instance is not None:
                instance.meeting.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that nobody watches, and its group. Blocking."""
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()

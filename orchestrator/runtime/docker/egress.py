"""The packet filter below a module: rules in its container's network namespace, which it cannot change.

A container of the module's own image joins the namespace for a moment, with the right to administer this
network and no other, and installs them (images/base/genvm_module/egress). That happens before the module is
told anything: until then it serves nobody. The rules last as long as the namespace, hence as the module.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any

import structlog

from orchestrator.runtime.docker import options
from orchestrator.runtime.docker.engine import Engine
from orchestrator.runtime.docker.masks import hidden_from
from orchestrator.runtime.docker.removals import Removals
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.docker.starting import MixedUp, start
from orchestrator.runtime.port import (
    Egress,
    EgressFilter,
    EngineRefused,
    EngineUnreachable,
    InstanceSpec,
    Role,
)
from orchestrator.tasks import TaskOwner

log = structlog.get_logger(__name__)

ROLE = "egress"
PROGRAM = ("python3", "-P", "-m", "genvm_module.egress")
MEMORY_BYTES = 64 * 1024 * 1024
LONGEST_RUN_S = 20
NATIVE = ("runc", "crun", "youki", "nvidia", "io.containerd.runc")
"""Container runtimes, by the beginnings of their names, whose containers use this kernel's network. Others
bring one of their own (gVisor, Kata), which rules in the namespace do not see."""
NETFILTER_SOCKET = [
    {"index": 0, "value": 16, "valueTwo": 0, "op": "SCMP_CMP_EQ"},
    {"index": 1, "value": 15, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"},
    {"index": 2, "value": 12, "valueTwo": 0, "op": "SCMP_CMP_EQ"},
]
"""AF_NETLINK, SOCK_RAW whatever its flags, NETLINK_NETFILTER."""
FOREIGN_NETWORKS = ("host", "container:", "none")


class NoFilter(Exception):
    """Why there is none; text for people."""


class EgressFilters:
    """`names`: the containers under way, for sweeps to pass over."""

    def __init__(
        self, engine: Engine, removals: Removals, settings: DockerSettings, errands: TaskOwner
    ) -> None:
        self._engine = engine
        self._removals = removals
        self._settings = settings
        self._errands = errands
        self._said: set[str] = set()
        self.names: set[str] = set()

    async def install(self, spec: InstanceSpec, container: str, network: str) -> None:
        """Put the filter below a container that has just been started, if it is to have one.

        Raises EngineRefused where there has to be one and cannot, EngineUnreachable.
        """
        how = self._settings.egress_filter
        if spec.egress is None or how is EgressFilter.OFF:
            return
        try:
            await self._check(network)
            said = await self._run("install", spec, container, spec.egress)
        except NoFilter as why:
            if how is EgressFilter.ON:
                raise EngineRefused(f"the {spec.role} module cannot have its packet filter: {why}") from None
            self._say_once(spec, str(why))
            return
        if unknown := said.get("unknown"):
            log.warning(
                "egress_hosts_unknown",
                instance=spec.name,
                hosts=unknown,
                consequence="the packet filter refuses what they may turn out to be, until that is noticed",
            )

    async def require(self, spec: InstanceSpec, container: str) -> None:
        """See that a module of an earlier manager has a filter, where there has to be one.

        Raises EngineRefused, EngineUnreachable.
        """
        if spec.role is not Role.WEB or self._settings.egress_filter is not EgressFilter.ON:
            return
        try:
            said = await self._run("permit", spec, container, Egress())
        except NoFilter as why:
            raise EngineRefused(str(why)) from None
        if not said.get("installed"):
            raise EngineRefused("it was started without the packet filter that it has to have")

    async def renew(self, spec: InstanceSpec, container: str, egress: Egress) -> None:
        """Look the names up again for a container that has a filter, whatever was permitted before.

        Raises EngineUnreachable, EngineRefused.
        """
        if self._settings.egress_filter is EgressFilter.OFF:
            return
        try:
            await self._run("renew", spec, container, egress)
        except NoFilter as why:
            raise EngineRefused(str(why)) from None

    async def permit(self, spec: InstanceSpec, container: str, host: str, port: int) -> None:
        """Let a filtered container reach one more address, which a run has named.

        Nothing happens to one without a filter.

        Raises EngineUnreachable, EngineRefused.
        """
        if self._settings.egress_filter is EgressFilter.OFF:
            return
        try:
            await self._run("permit", spec, container, Egress(signers=((host, port),)))
        except NoFilter as why:
            raise EngineRefused(str(why)) from None

    async def _check(self, network: str) -> None:
        """Raises NoFilter where rules would bind somebody else, or nobody."""
        runtime = self._settings.module_oci_runtime
        info = {} if runtime else await self._engine.quick(lambda client: client.info())
        if (why := obstacle(network, runtime, info)) is not None:
            raise NoFilter(why)

    async def _run(
        self, command: str, spec: InstanceSpec, container: str, egress: Egress
    ) -> Mapping[str, Any]:
        """Have the program do it in the container's namespace; what it said.

        Raises NoFilter, EngineUnreachable.
        """
        try:
            return await self._run_once(command, spec, container, egress)
        except MixedUp:
            return await self._run_once(command, spec, container, egress, last=True)

    async def _run_once(
        self, command: str, spec: InstanceSpec, container: str, egress: Egress, *, last: bool = False
    ) -> Mapping[str, Any]:
        """Not the `last` time: raises MixedUp, too."""
        name = f"{spec.name}-{ROLE}-{secrets.token_hex(3)}"
        full_name = options.container_name(self._settings, name)
        line = command_line(self._settings, command, egress)
        network = f"container:{container}"
        # It reads the profile from a file.
        body = await asyncio.to_thread(create_body, self._settings, spec.image, network, line, name)
        self.names.add(name)
        try:
            await self._engine.once(
                lambda client: client.create_container_from_config(body, full_name)  # type: ignore[no-untyped-call]
            )
            await start(self._engine, full_name)
            ended = await self._engine.once(lambda client: client.wait(full_name, timeout=LONGEST_RUN_S))
            printed = await self._engine.quick(lambda client: client.logs(full_name, tail=20))
        except EngineRefused as refusal:
            if isinstance(refusal, MixedUp) and not last:
                raise
            raise NoFilter(f"the engine refuses to install it: {refusal}") from None
        finally:
            self._errands.spawn(f"remove {name}", self._remove(name, full_name))
        return _said(bytes(printed), int(ended["StatusCode"]))

    async def _remove(self, name: str, full_name: str) -> None:
        try:
            await self._removals.remove(full_name)
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("egress_container_removed_later", instance=name, error=str(error))
        finally:
            self.names.discard(name)

    def _say_once(self, spec: InstanceSpec, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            log.warning(
                "no_egress_filter",
                instance=spec.name,
                why=why,
                consequence="a browser that breaks out of both of its walls reaches what its bridge reaches",
                advice="docs/web.md, A second filter; GENVM_EGRESS_FILTER=off if that is what you want",
            )


def obstacle(network: str, runtime: str | None, info: Mapping[str, Any]) -> str | None:
    """Why rules would bind somebody else or nobody; `info` is the engine's, for its default runtime."""
    if network.startswith(FOREIGN_NETWORKS):
        return f"GENVM_MODULE_NETWORK={network} is not a network of the module's own"
    used = runtime or str(info.get("DefaultRuntime") or NATIVE[0])
    return None if used.startswith(NATIVE) else f"the container runtime {used} may have a network of its own"


def _said(printed: bytes, code: int) -> Mapping[str, Any]:
    """Raises NoFilter."""
    text = printed.decode("utf-8", "replace").strip()
    try:
        said = json.loads(text) if code == 0 else None
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise NoFilter(text[-300:] or f"its program ended with {code}")
    return said


@cache
def seccomp_profile() -> str:
    """The llm module's, and the one socket more that rules are installed by."""
    profile = json.loads(options.seccomp_profile(Role.LLM))
    profile["syscalls"].append({"names": ["socket"], "args": NETFILTER_SOCKET, "action": "SCMP_ACT_ALLOW"})
    return json.dumps(profile, separators=(",", ":"))


def command_line(settings: DockerSettings, command: str, egress: Egress) -> list[str]:
    order = {
        "hosts": egress.hosts,
        "doors": egress.doors,
        "signers": egress.signers,
        "refused": egress.refused,
        "user": settings.uid,
    }
    return [*PROGRAM, command, json.dumps(order)]


def create_body(
    settings: DockerSettings, image: str, network: str, line: list[str], name: str
) -> dict[str, object]:
    """The JSON body of *create*: an administrator of one network, and of nothing else."""
    own = {"managed-by": settings.manager_id, "instance": name, "role": ROLE}
    return {
        "Image": image,
        "Entrypoint": [],
        "Cmd": line,
        "User": "0:0",
        "Labels": {settings.label_prefix + key: value for key, value in own.items()},
        "HostConfig": {
            "NetworkMode": network,
            "IpcMode": "none",
            "CgroupnsMode": "private",
            "RestartPolicy": {"Name": "no"},
            "CapDrop": ["ALL"],
            "CapAdd": ["NET_ADMIN"],
            "SecurityOpt": ["no-new-privileges:true", f"seccomp={seccomp_profile()}"],
            "MaskedPaths": hidden_from(Role.LLM),
            "ReadonlyPaths": list(options.READONLY_PATHS),
            "ReadonlyRootfs": True,
            "Memory": MEMORY_BYTES,
            "MemorySwap": MEMORY_BYTES,
            "PidsLimit": 128,
            "LogConfig": {"Type": "json-file", "Config": {"max-size": "64k", "max-file": "1"}},
        },
    }

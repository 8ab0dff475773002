"""The kit of the Docker runtime."""

from __future__ import annotations

import asyncio
import os

from docker import APIClient

from orchestrator.engine_client import ClientUnusable, check_configuration
from orchestrator.kits.docker import browser, egress, engine, inside, meeting, surroundings
from orchestrator.kits.docker.leftovers import survey_engine
from orchestrator.kits.finding import Finding, fail
from orchestrator.kits.kit import Found
from orchestrator.modules.egress import PacketFilters
from orchestrator.runtime.docker.engine import Client
from orchestrator.runtime.docker.runtime import DockerRuntime
from orchestrator.runtime.docker.settings import VOID, DockerSettings
from orchestrator.runtime.port import EngineRefused, Runtime
from orchestrator.settings import InstanceNetwork, Settings

# Seconds; an engine under load takes its time to say how it is.
ENGINE_TIMEOUT = 40.0
_NETWORKS = {InstanceNetwork.VOID: VOID, InstanceNetwork.OWN: "none"}


class DockerKit:
    """Implements `Kit`."""

    whole_socket_paths = False
    meets_in_state_dir = True

    async def engine_of(self, settings: Settings) -> str:
        """The engine's own id."""
        asking = Client(_looking(settings, "engine"), "id", 1, ENGINE_TIMEOUT)
        try:
            info = await asking.call(lambda client: client.info())
        finally:
            asking.close()
        return f"docker:{info.get('ID', '')}"

    async def open(self, settings: Settings, manager_id: str) -> DockerRuntime:
        """See `Kit.open`. An engine that is away may come; a configuration that names none never answers."""
        try:
            await asyncio.to_thread(check_configuration, settings.docker_url)
        except ClientUnusable as unusable:
            raise EngineRefused(str(unusable)) from unusable
        return DockerRuntime(
            DockerSettings(
                manager_id=manager_id,
                state_dir=settings.state_dir,
                base_url=settings.docker_url,
                network=_NETWORKS[settings.instance_network],
                void_image=settings.void_image,
                oci_runtime=settings.oci_runtime,
                module_oci_runtime=settings.module_oci_runtime,
                module_network=settings.module_network,
                egress_filter=settings.egress_filter,
            )
        )

    def open_to_sweep(self, settings: Settings, manager_id: str) -> DockerRuntime:
        """See `Kit.open_to_sweep`."""
        return DockerRuntime(_looking(settings, manager_id))

    def packet_filters(self, runtime: Runtime) -> PacketFilters | None:
        """See `Kit.packet_filters`."""
        return runtime if isinstance(runtime, DockerRuntime) else None

    def survey(self, settings: Settings, manager_id: str) -> list[Found]:
        """See `Kit.survey`."""
        return survey_engine(_looking(settings, manager_id))

    def check(self, settings: Settings) -> list[Finding]:
        """The engine's checks; the first alone when it does not answer."""
        holder = Client(_looking(settings, "doctor"), "doctor", 1, ENGINE_TIMEOUT)
        try:
            return _ask(holder.connected(), settings)
        except engine.ENGINE_ERRORS as error:
            advice = (
                "start it, or set GENVM_DOCKER_URL or DOCKER_HOST; its socket may need another user or group"
            )
            return [fail("engine", f"does not answer: {engine.reason(error)}", advice)]
        finally:
            holder.close()


def _looking(settings: Settings, manager_id: str) -> DockerSettings:
    """For looking and removing only: nothing is started with them."""
    return DockerSettings(manager_id=manager_id, state_dir=settings.state_dir, base_url=settings.docker_url)


def _ask(client: APIClient, settings: Settings) -> list[Finding]:
    info = client.info()
    return [
        engine.judge_engine(info),
        engine.check_engine_clock(info),
        engine.judge_runtimes(
            info,
            {
                "GENVM_OCI_RUNTIME": settings.oci_runtime,
                "GENVM_MODULE_OCI_RUNTIME": settings.module_oci_runtime,
            },
        ),
        engine.check_images(client, settings),
        *inside.check_limits(client, settings),
        meeting.check_meeting(client, settings, info),
        surroundings.check_gateway(client, info),
        surroundings.judge_proxies(info, os.environ),
        surroundings.check_registries(),
        browser.check_sandbox(client, settings),
        egress.check_filter(client, settings, info),
    ]

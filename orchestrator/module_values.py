"""What the settings say of the llm and web modules, as the modules take it."""

from __future__ import annotations

from orchestrator.modules.kinds import ModuleKind, ModuleSettings, ModuleTimes
from orchestrator.settings import Settings


def module_settings(settings: Settings) -> dict[ModuleKind, ModuleSettings]:
    return {
        ModuleKind.LLM: ModuleSettings(
            image=settings.llm_image,
            memory_bytes=settings.llm_memory_bytes,
            cpus=settings.llm_cpus,
            pids=settings.llm_pids,
            default_config=settings.llm_config,
        ),
        ModuleKind.WEB: ModuleSettings(
            image=settings.web_image,
            memory_bytes=settings.web_memory_bytes,
            cpus=settings.web_cpus,
            pids=settings.web_pids,
            tmp_bytes=settings.web_tmp_bytes,
            shm_bytes=settings.web_shm_bytes,
            default_config=settings.web_config,
            own_addresses=tuple(str(network) for network in settings.own_addresses),
        ),
    }


def module_times(settings: Settings) -> ModuleTimes:
    return ModuleTimes(
        ready=settings.module_ready_timeout,
        configure=settings.module_ready_timeout,
        ping_interval=settings.module_ping_interval,
        close=settings.module_usage_timeout,
    )

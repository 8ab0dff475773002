"""Whether a packet filter can be put below the web module: it is tried in a network of its own. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docker import APIClient

from orchestrator.kits.docker import inside
from orchestrator.kits.docker.engine import ENGINE_ERRORS, reason
from orchestrator.kits.finding import Finding, fail, ok, warn
from orchestrator.runtime.docker.egress import command_line, create_body, obstacle
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import Egress, EgressFilter
from orchestrator.settings import Settings

NAME = "egress_filter"


def check_filter(client: APIClient, settings: Settings, info: Mapping[str, Any]) -> Finding:
    """The whole set of rules is given to the kernel; `info` is the engine's."""
    if settings.egress_filter is EgressFilter.OFF:
        return judge_filter(settings.egress_filter, None)
    why = obstacle(settings.module_network, settings.module_oci_runtime, info)
    return judge_filter(settings.egress_filter, _tried(client, settings) if why is None else why)


def _tried(client: APIClient, settings: Settings) -> str | None:
    """Why it cannot be installed; null when it can."""
    runtime = DockerSettings("doctor", settings.state_dir)
    line = command_line(runtime, "install", Egress())
    body = create_body(runtime, settings.void_image, "none", line, "doctor")
    try:
        inside.look(client, body | {"Labels": {runtime.label_prefix + "role": "doctor"}})
    except ENGINE_ERRORS as error:
        return f"a container with the right to install it does not start: {reason(error)}"
    except ValueError as error:
        return str(error)
    return None


def judge_filter(wanted: EgressFilter, obstacle: str | None) -> Finding:
    """From the setting, and from why it cannot be installed (null: it can)."""
    if wanted is EgressFilter.OFF:
        return warn(NAME, "switched off", "GENVM_EGRESS_FILTER=auto puts one below the web module")
    if obstacle is None:
        return ok(NAME, "packet filter below the web module: works")
    if wanted is EgressFilter.ON:
        found = f"no packet filter below the web module ({obstacle}); it does not start without"
        return fail(NAME, found, "a kernel with nf_tables, or GENVM_EGRESS_FILTER=auto (docs/web.md)")
    found = f"no packet filter below the web module: {obstacle}"
    return warn(NAME, found, "a kernel with nf_tables, or rules of your own on its bridge (docs/web.md)")

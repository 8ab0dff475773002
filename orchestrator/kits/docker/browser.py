"""Whether the web module's browser can put its sandbox up: a container with its profile tries. Blocking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from docker import APIClient

from orchestrator.kits.docker import inside
from orchestrator.kits.docker.engine import ENGINE_ERRORS, reason
from orchestrator.kits.finding import Finding, fail, ok, warn
from orchestrator.runtime.port import Role
from orchestrator.settings import Settings

NAME = "browser_sandbox"
MEANING = "the web module refuses to start (docs/web.md)"


def check_sandbox(client: APIClient, settings: Settings) -> Finding:
    """User namespaces, and a change of root in one, for a user that is not root."""
    try:
        seen = inside.look(client, inside.body(settings, Role.WEB, "browser_probe.py"))
    except ENGINE_ERRORS as error:
        return fail(NAME, f"a container with the browser's profile does not start: {reason(error)}", MEANING)
    except ValueError as error:
        return fail(NAME, f"the probe gave no useful answer: {error}", MEANING)
    return judge_sandbox(seen, wanted=_wanted(settings))


def judge_sandbox(seen: Mapping[str, Any], *, wanted: bool = True) -> Finding:
    """From what the probe saw; `wanted`: the default configuration does not switch the sandbox off."""
    if not wanted:
        return warn(
            NAME,
            "switched off by GENVM_WEB_CONFIG",
            "remove `browser_sandbox: false` where the sandbox works",
        )
    if seen.get("error") == "":
        return ok(NAME, "user namespaces for the browser: work")
    closed = ", ".join(str(one) for one in seen.get("closed") or ())
    found = f"no user namespaces for the browser ({seen.get('error', 'unknown')}); {MEANING}"
    advice = "allow them for users other than root: sysctl, SELinux or AppArmor forbids them"
    return fail(NAME, found, f"set otherwise: {closed}" if closed else advice)


def _wanted(settings: Settings) -> bool:
    """What cannot be read is the web module's to complain about."""
    if settings.web_config is None:
        return True
    try:
        config = yaml.safe_load(settings.web_config.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return True
    return not isinstance(config, dict) or config.get("browser_sandbox") is not False

"""Checks of the container engine: its features, its clock, the manifest's images. Blocking."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from docker import APIClient
from docker.errors import DockerException, ImageNotFound

from orchestrator.contracts.manifest import ManifestError, load_manifest
from orchestrator.kits.finding import Finding, fail, ok, warn
from orchestrator.settings import Settings

OLDEST_TRIED = (20, 10)
SKEW_WARN = 2.0
SKEW_FAIL = 60.0
FEATURES = {
    "MemoryLimit": "memory limits",
    "PidsLimit": "limits of tasks",
    "CpuCfsQuota": "processor limits",
}
ENABLE = "enable these cgroup controllers in the kernel"
DELEGATE = (
    "a rootless engine needs cgroup v2 and these controllers delegated to its user: "
    "`Delegate=cpu memory pids` in a drop-in of user@.service (docs/engines.md)"
)


def judge_engine(info: Mapping[str, Any]) -> Finding:
    """From the engine's *info*: its version, and the kernel features that the limits need."""
    version = str(info.get("ServerVersion", "unknown"))
    found = f"Docker {version}, cgroup v{info.get('CgroupVersion', '1')}, kernel {info.get('KernelVersion')}"
    missing = [words for key, words in FEATURES.items() if info.get(key) is False]
    if missing:
        rootless = "rootless" in kind_of(info)
        return fail("engine", f"{found}; no {', no '.join(missing)}", DELEGATE if rootless else ENABLE)
    if not any("seccomp" in str(option) for option in info.get("SecurityOptions") or ()):
        return fail("engine", f"{found}; no seccomp", "use a kernel and an engine with seccomp")
    if _number(version) < OLDEST_TRIED:
        return warn("engine", found, "20.10 is the oldest version that is tested")
    if info.get("SwapLimit") is False:
        return warn("engine", f"{found}; swap is not limited", "boot with swapaccount=1, or without swap")
    return ok("engine", found)


def kind_of(info: Mapping[str, Any]) -> list[str]:
    """What of `selinux`, `rootless`, `userns` the engine says of itself."""
    options = {part for one in info.get("SecurityOptions") or () for part in str(one).split(",")}
    return [kind for kind in ("selinux", "rootless", "userns") if f"name={kind}" in options]


def _number(version: str) -> tuple[int, ...]:
    parts = re.split(r"[-+]", version, maxsplit=1)[0].split(".")[:2]
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)


def judge_runtimes(info: Mapping[str, Any], wanted: Mapping[str, str | None]) -> Finding:
    """That the engine knows the container runtimes that the settings name: setting → name, if any."""
    known = set(info.get("Runtimes") or ())
    named = {setting: name for setting, name in wanted.items() if name is not None}
    # A shim by its full name is looked for when a container starts; the engine lists none.
    unknown = [name for name in named.values() if name not in known and not name.startswith("io.containerd.")]
    if unknown:
        return fail(
            "oci_runtime",
            f"the engine does not know {', '.join(sorted(set(unknown)))}, only {', '.join(sorted(known))}",
            "install it and name it under `runtimes` in the engine's daemon.json, or unset "
            + " and ".join(setting for setting, name in named.items() if name in unknown),
        )
    used = ", ".join(f"{name} ({setting})" for setting, name in named.items())
    return ok("oci_runtime", used or f"the engine's default ({info.get('DefaultRuntime', 'unknown')})")


def check_engine_clock(info: Mapping[str, Any]) -> Finding:
    """`info` must be fresh. Deadlines are on containers' labels too, which sweeps compare with the time."""
    text = str(info.get("SystemTime", ""))
    try:
        skew = datetime.fromisoformat(_shortened(text)).timestamp() - time.time()
    except ValueError:
        return warn("engine_clock", f"the engine says it is {text[:40]!r}", "ask again with `docker info`")
    return judge_skew(skew)


def _shortened(text: str) -> str:
    """Python reads microseconds, the engine writes nanoseconds."""
    whole, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :] if dot else ""
    return f"{whole}{dot}{digits[:6]}{zone}"


def judge_skew(seconds: float) -> Finding:
    found = f"the engine's clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this one"
    if abs(seconds) > SKEW_FAIL:
        return fail("engine_clock", found, "set both clocks by NTP")
    if abs(seconds) > SKEW_WARN:
        return warn("engine_clock", found, "set both clocks by NTP")
    return ok("engine_clock", f"within {SKEW_WARN:g} s of this one")


def check_images(client: APIClient, settings: Settings) -> Finding:
    """That the manifest can be read, and the engine has each image that it names."""
    try:
        versions = load_manifest(settings.manifest, settings.image_pattern).versions
    except ManifestError as error:
        return fail("images", str(error), "correct the file that GENVM_MANIFEST names (docs/manifest.md)")
    wanted = sorted({version.image for version in versions})
    missing = [image for image in wanted if not _has(client, image)]
    if missing:
        return fail("images", f"missing: {', '.join(missing)}", "make images, or pull them")
    return ok("images", ", ".join(wanted))


def _has(client: APIClient, image: str) -> bool:
    """Raises DockerException when the engine does not answer."""
    try:
        client.inspect_image(image)  # type: ignore[no-untyped-call]
    except ImageNotFound:
        return False
    return True


def reason(error: Exception) -> str:
    """The engine's own words where there are some."""
    text = str(getattr(error, "explanation", None) or error)
    return text[:500] or type(error).__name__


ENGINE_ERRORS = (DockerException, OSError)

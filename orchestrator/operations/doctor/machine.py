"""Checks of the machine itself: state directory, disk, memory, clock. Blocking."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime

from orchestrator.executions.costs import NEWEST_COSTS
from orchestrator.exposure import CannotListen, guarded_addresses, is_loopback
from orchestrator.kits import kit_of
from orchestrator.kits.finding import Finding, fail, ok, warn
from orchestrator.memory import FreeMemory
from orchestrator.runtime.rendezvous import SOCKET_NAME, SUN_PATH_LIMIT
from orchestrator.settings import Settings

MIB = 1024**2
GIB = 1024**3
LEAST_DISK = 256 * MIB
OLDEST_SANE = datetime(2024, 1, 1, tzinfo=UTC)
CLOCK_SAMPLE = 0.2
CLOCK_STEP = 0.05
LONGEST_NAME = f"instances/run-{2**63}/{SOCKET_NAME}"


def check_state_dir(settings: Settings) -> Finding:
    """That it can be made or written, and that strangers cannot write to it."""
    path = settings.state_dir.absolute()
    if not path.exists():
        parent = next(one for one in path.parents if one.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return ok("state_dir", f"{path} does not exist yet and can be made")
        return fail(
            "state_dir", f"{path} does not exist and {parent} cannot be written", "set GENVM_STATE_DIR"
        )
    if not path.is_dir():
        return fail("state_dir", f"{path} is not a directory", "set GENVM_STATE_DIR to one")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return fail(
            "state_dir", f"{path} cannot be written by uid {os.geteuid()}", "give it to the manager's user"
        )
    if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return warn("state_dir", f"{path} can be written by others", f"chmod go-w {path}")
    return ok("state_dir", f"{path}, uid {path.stat().st_uid}, mode {stat.S_IMODE(path.stat().st_mode):o}")


def check_listener(settings: Settings) -> Finding:
    """That `serve` would listen there, and who else than this machine's users could ask."""
    if settings.socket is not None:
        return ok("listener", f"{settings.socket}, mode {settings.socket_mode}")
    try:
        addresses = guarded_addresses(settings)
    except CannotListen as refusal:
        return fail("listener", str(refusal), "docs/api.md says who may ask")
    found = f"{', '.join(addresses)} port {settings.port}"
    if settings.tokens_file is None and not all(map(is_loopback, addresses)):
        return warn("listener", f"{found}, without tokens", "whoever reaches it is as good as root here")
    return ok("listener", found)


def check_socket_paths(settings: Settings) -> Finding:
    """Unix socket paths end at 107 bytes: those of instances, and of the API's listeners."""
    control = len(os.fsencode(settings.state_dir.absolute() / LONGEST_NAME))
    for name, path in (
        ("GENVM_SOCKET", settings.socket),
        ("GENVM_OPERATOR_SOCKET", settings.operator_socket),
    ):
        size = 0 if path is None else len(os.fsencode(path.absolute()))
        if size > SUN_PATH_LIMIT:
            found = f"{name} has {size} bytes of {SUN_PATH_LIMIT}"
            return fail("socket_paths", found, "choose a shorter one")
    found = f"control sockets have up to {control} bytes of {SUN_PATH_LIMIT}"
    if control <= SUN_PATH_LIMIT:
        return ok("socket_paths", found)
    if kit_of(settings).whole_socket_paths:
        return fail("socket_paths", found, "choose a shorter GENVM_STATE_DIR")
    return ok("socket_paths", f"{found}; the {settings.runtime} runtime does not need the whole path")


def check_disk(settings: Settings) -> Finding:
    """Room for what is kept of ended runs, twice: rows that go make room only after new ones came."""
    path = settings.state_dir.absolute()
    existing = next(one for one in (path, *path.parents) if one.exists())
    usage = shutil.disk_usage(existing)
    found = f"{gib(usage.free)} of {gib(usage.total)} free at {existing}"
    wanted = 2 * settings.retained_bytes + LEAST_DISK
    if usage.free < LEAST_DISK:
        return fail("disk", found, "make room: runs that cannot be written down are refused")
    if usage.free < wanted:
        return warn(
            "disk", f"{found}, {gib(wanted)} may be needed", "make room, or lower GENVM_RETAINED_BYTES"
        )
    return ok("disk", found)


def check_memory(settings: Settings) -> Finding:
    """Whether as many instances as the permits allow could use all that they may."""
    memory = FreeMemory.now()
    least = max(settings.permits_per_sync or 0, settings.permits_per_nondet or 0) or NEWEST_COSTS.highest
    default = memory.permits(settings.permits_per_gib, least)
    return judge_memory(memory.total, settings.permits or default, settings.instance_memory_bytes)


def judge_memory(free: int, permits: int, instance: int) -> Finding:
    """`free` and `instance` in bytes; the cheapest run costs one permit."""
    wanted = permits * instance
    found = f"{gib(free)} available, {permits} permits of {gib(instance)} each may need {gib(wanted)}"
    if free < instance:
        advice = "free some memory, or lower GENVM_INSTANCE_MEMORY_BYTES"
        return fail("memory", found, advice)
    if free < wanted:
        return warn("memory", found, "lower GENVM_PERMITS, or runs may end with cause oom under load")
    return ok("memory", found)


def check_clock(
    wall: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Finding:
    """That wall time is of this age and runs as fast as monotonic time."""
    wall_before, before = wall(), monotonic()
    if datetime.fromtimestamp(wall_before, UTC) < OLDEST_SANE:
        now = datetime.fromtimestamp(wall_before, UTC)
        return fail(
            "clock", f"it is {now:%Y-%m-%d} here", "set the clock: no executor version is available yet"
        )
    pause(CLOCK_SAMPLE)
    drift = (wall() - wall_before) - (monotonic() - before)
    if abs(drift) > CLOCK_STEP:
        return warn(
            "clock", f"the wall clock jumped by {drift:.3f} s while looked at", "check NTP: let it slew"
        )
    return ok(
        "clock",
        f"wall and monotonic time agree, {datetime.fromtimestamp(wall_before, UTC):%Y-%m-%d %H:%M} UTC",
    )


def gib(amount: int) -> str:
    return f"{amount / GIB:.1f} GiB"

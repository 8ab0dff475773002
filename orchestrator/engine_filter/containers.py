"""Which containers may be made: an allow-list of the fields of *create*, and of their values.

Everything that a manager says is here; what is not here is refused, whatever it would do. Root inside, and
the one capability, are for the program that installs a packet filter, and for nothing else. Its container
and the void are known by the whole of what they are made with; every other has all bounds of an instance.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeGuard

from orchestrator.engine_filter.place import LABELS, NAME, OWN_LABELS, Place
from orchestrator.runtime.docker import egress, options, void
from orchestrator.runtime.docker.masks import hidden_from
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import Role

Check = Callable[[object], bool]

SETTINGS: Final = DockerSettings("filter", Path("/"))
"""As every manager has them; what an operator may choose is asked by itself."""
UID: Final = SETTINGS.uid
USER: Final = f"{UID}:{UID}"
ROOT: Final = "0:0"
VARIABLES: Final = ("GENVM_CONTROL", "GENVM_REUSE", "GENVM_SCRATCH")
TMPFS_OPTIONS: Final = {"rw", "noexec", "nosuid", "nodev", "mode=1777"}
TMPFS_BOUND: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
MOST_BYTES: Final = 64 * 1024**3
MOST_NANO_CPUS: Final = 256 * 10**9
MOST_TASKS: Final = 16_384
"""The three are the operator's to choose, who is not asked here: above what anybody gives one container."""
TMPFS_BOUNDS: Final = {"nr_inodes": SETTINGS.tmp_inodes, "size": MOST_BYTES}
ULIMITS: Final = {
    "nofile": max(SETTINGS.open_files, SETTINGS.module_open_files),
    "core": 0,
    "msgqueue": 0,
    "memlock": 65536,
}
"""The most of each: a limit that is not named is the engine's own, which may be none."""
LOG_BOUND: Final = re.compile(r"[1-9][0-9]{0,2}k|[1-9][0-9]?m", re.ASCII)
"""Up to 99 MiB of the engine's disk for each container, in one file."""
LONGEST_TEXT: Final = 64 * 1024
NO_ADDRESS: Final = {"Type", "Source", "Target", "ReadOnly", "BindOptions"}


def refusal(name: str, body: object, place: Place) -> str | None:
    """Why this container is not made; null when it may be."""
    if NAME.fullmatch(name) is None:
        return "its name is none of a manager's"
    if not isinstance(body, Mapping):
        return "it has no description"
    host = body.get("HostConfig")
    if not isinstance(host, Mapping):
        return "HostConfig is missing"
    return (
        _first_fault("", body, _outer(place), REQUIRED)
        or _first_fault("HostConfig.", host, _inner(place), REQUIRED_INSIDE)
        or _swap_fault(host)
        or _network_fault(host["NetworkMode"], host, place)
        or _bounds_fault(body, host)
    )


def mounted(body: object) -> Path | None:
    """The directory of the host that a container, which may be made, has mounted."""
    host = body["HostConfig"] if isinstance(body, Mapping) else {}
    return Path(host["Mounts"][0]["Source"]) if host.get("Mounts") else None


def joined(body: object) -> str | None:
    """The container whose network it shares."""
    mode = body["HostConfig"]["NetworkMode"] if isinstance(body, Mapping) else ""
    return str(mode).removeprefix("container:") if str(mode).startswith("container:") else None


def joining(body: object, container: str) -> object:
    """The same, with that container by its id."""
    assert isinstance(body, Mapping)
    return {**body, "HostConfig": {**body["HostConfig"], "NetworkMode": f"container:{container}"}}


def _first_fault(
    where: str, values: Mapping[object, object], checks: Mapping[str, Check], required: frozenset[str]
) -> str | None:
    for name, value in values.items():
        check = checks.get(str(name))
        if check is None:
            return f"{where}{name} is none of the fields that a manager sets"
        if not check(value):
            return f"{where}{name} has a value that no manager sets"
    missing = sorted(required - {str(name) for name in values})
    return f"{where}{missing[0]} is missing" if missing else None


def _bounds_fault(body: Mapping[object, object], host: Mapping[object, object]) -> str | None:
    """All but two have every bound of an instance; those two have theirs by being what they are."""
    if _is_packet_filter(body, host) or _is_void(body):
        return None
    return _privilege_fault(body, host) or _instance_fault(host)


def _instance_fault(host: Mapping[object, object]) -> str | None:
    """The engine's own mount for shared memory has no bound of files."""
    missing = sorted(REQUIRED_OF_INSTANCES - {str(name) for name in host})
    if missing:
        return f"HostConfig.{missing[0]} is missing"
    mounts = host["Tmpfs"]
    bounded = isinstance(mounts, Mapping) and options.SHM in mounts
    return None if bounded else f"HostConfig.Tmpfs has no {options.SHM}"


def _swap_fault(host: Mapping[object, object]) -> str | None:
    """The one bound is memory and swap together: a larger one would be paid for by the host's disk."""
    if host["MemorySwap"] != host["Memory"]:
        return "HostConfig.MemorySwap is not the same as Memory"
    return None


def _network_fault(mode: object, host: Mapping[object, object], place: Place) -> str | None:
    if mode == "none" or (isinstance(mode, str) and mode.startswith("container:")):
        return None
    if not isinstance(mode, str) or not place.has_network(mode):
        return "HostConfig.NetworkMode is neither none, nor a container's of ours, nor the modules'"
    if host["SecurityOpt"] not in [_security(options.seccomp_profile(role)) for role in (Role.LLM, Role.WEB)]:
        return "HostConfig.NetworkMode is the modules', and the profile is none of theirs"
    return None


def _privilege_fault(body: Mapping[object, object], host: Mapping[object, object]) -> str | None:
    """Root, its capability and its profile come together, for one program, without files of the host."""
    if body["User"] == ROOT:
        return "User is root, and this is not the program that installs a packet filter"
    if host.get("CapAdd") or host["SecurityOpt"] == _security(egress.seccomp_profile()):
        return "a capability, or the profile that goes with it, without the packet filter"
    return None


def _is_packet_filter(body: Mapping[object, object], host: Mapping[object, object]) -> bool:
    """As the manager makes it, for whichever network; the program judges what it is told to install."""
    line, network = body.get("Cmd"), host["NetworkMode"]
    if not isinstance(line, list) or tuple(line[: len(egress.PROGRAM)]) != egress.PROGRAM:
        return False
    return _own(body) == _own(egress.create_body(SETTINGS, "", str(network), line, ""))


def _is_void(body: Mapping[object, object]) -> bool:
    return _own(body) == _own(void.create_body(SETTINGS, options.seccomp_profile()))


def _own(body: Mapping[Any, object]) -> dict[object, object]:
    """What is the same in every manager: the image and the labels are asked for all containers alike."""
    return {name: value for name, value in body.items() if name not in ("Image", "Labels")}


# What the manager leaves to the engine is left out here; what makes a container ours may not be left out.
REQUIRED: Final = frozenset({"Image", "User", "Labels", "HostConfig"})
REQUIRED_OF_INSTANCES: Final = frozenset({"Tmpfs", "NanoCpus", "Ulimits", "OomScoreAdj"})
REQUIRED_INSIDE: Final = frozenset(
    {
        "NetworkMode",
        "IpcMode",
        "CgroupnsMode",
        "RestartPolicy",
        "CapDrop",
        "SecurityOpt",
        "MaskedPaths",
        "ReadonlyPaths",
        "ReadonlyRootfs",
        "Memory",
        "MemorySwap",
        "PidsLimit",
        "LogConfig",
    }
)


def _outer(place: Place) -> Mapping[str, Check]:
    return {
        "Image": place.has_image,
        "User": lambda value: value in (USER, ROOT),
        "Env": _is_env,
        "WorkingDir": lambda value: value in (options.CONTROL_DIR, "/"),
        "Hostname": lambda value: value == "genvm",
        "Labels": _is_labels,
        "StopSignal": lambda value: value == "SIGKILL",
        "Entrypoint": _is_words,
        "Cmd": _is_words,
        "AttachStdin": _is_false,
        "OpenStdin": _is_false,
        "Tty": _is_false,
        "HostConfig": lambda value: isinstance(value, Mapping),
    }


def _inner(place: Place) -> Mapping[str, Check]:
    return {
        "NetworkMode": lambda value: isinstance(value, str),
        "IpcMode": lambda value: value in ("private", "none"),
        "CgroupnsMode": lambda value: value == "private",
        "AutoRemove": _is_false,
        "RestartPolicy": lambda value: value == {"Name": "no"},
        "Privileged": _is_false,
        "CapDrop": lambda value: value == ["ALL"],
        "CapAdd": lambda value: value == ["NET_ADMIN"],
        "SecurityOpt": lambda value: value in _securities(),
        "MaskedPaths": lambda value: value in [hidden_from(role) for role in Role],
        "ReadonlyPaths": _hides_enough,
        "Devices": lambda value: value == [],
        "ReadonlyRootfs": lambda value: value is True,
        "Tmpfs": _is_tmpfs,
        "Mounts": lambda value: _is_mounts(value, place),
        "Memory": lambda value: _is_amount(value, MOST_BYTES),
        "MemorySwap": lambda value: _is_amount(value, MOST_BYTES),
        "NanoCpus": lambda value: _is_amount(value, MOST_NANO_CPUS),
        "PidsLimit": lambda value: _is_amount(value, MOST_TASKS),
        "OomScoreAdj": lambda value: _is_number(value) and SETTINGS.oom_score_adj <= value <= 1000,
        "Ulimits": _is_ulimits,
        "LogConfig": _is_log_config,
        "Init": lambda value: isinstance(value, bool),
        "Runtime": lambda value: isinstance(value, str) and value in place.runtimes,
        "ExtraHosts": lambda value: value == [f"host.docker.internal:{options.HOST_GATEWAY}"],
        "Dns": lambda value: value == options.NO_RESOLVER["Dns"],
        "DnsSearch": lambda value: value == options.NO_RESOLVER["DnsSearch"],
    }


def _security(profile: str) -> list[str]:
    return ["no-new-privileges:true", f"seccomp={profile}"]


@cache
def _securities() -> tuple[list[str], ...]:
    profiles = [*(options.seccomp_profile(role) for role in Role), egress.seccomp_profile()]
    return tuple(map(_security, profiles))


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_amount(value: object, most: int) -> bool:
    """Nought would be no bound at all, and so would a negative number, or one that no machine has."""
    return _is_number(value) and 0 < value <= most


def _is_false(value: object) -> bool:
    return value is False


def _is_words(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(word, str) and len(word) <= LONGEST_TEXT for word in value
    )


def _is_env(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(line, str) and line.partition("=")[0] in VARIABLES for line in value
    )


def _is_labels(value: object) -> bool:
    if not isinstance(value, Mapping) or not OWN_LABELS & value.keys():
        return False
    return all(
        str(key).startswith(LABELS) and isinstance(text, str) and len(text) <= 1000
        for key, text in value.items()
    )


def _hides_enough(value: object) -> bool:
    return _is_words(value) and isinstance(value, list) and set(options.READONLY_PATHS) <= set(value)


def _is_tmpfs(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        target in (options.TMP, options.SHM) and _is_tmpfs_options(text) for target, text in value.items()
    )


def _is_tmpfs_options(text: object) -> bool:
    """Each bound once: without one the mount could take half of the host's memory, or all of its inodes."""
    words = text.split(",") if isinstance(text, str) else []
    bounds = [word.partition("=") for word in words if word not in TMPFS_OPTIONS]
    return (
        {word for word in words if word in TMPFS_OPTIONS} == TMPFS_OPTIONS
        and sorted(name for name, _, _ in bounds) == sorted(TMPFS_BOUNDS)
        and all(
            TMPFS_BOUND.fullmatch(value) and int(value) <= TMPFS_BOUNDS[name] for name, _, value in bounds
        )
    )


def _is_mounts(value: object, place: Place) -> bool:
    return isinstance(value, list) and len(value) <= 1 and all(_is_mount(one, place) for one in value)


def _is_mount(value: object, place: Place) -> bool:
    if not isinstance(value, Mapping) or value.keys() != NO_ADDRESS:
        return False
    shape = (value["Type"], value["Target"], value["ReadOnly"], value["BindOptions"])
    return shape == ("bind", options.CONTROL_DIR, True, {"Propagation": "rprivate"}) and _is_instances(
        value["Source"], place
    )


def _is_instances(source: object, place: Place) -> bool:
    """A directory in one that is called `instances`, below the manager's own."""
    if not isinstance(source, str) or ".." in source.split("/"):
        return False
    path = PurePosixPath(source)
    return str(path) == source and path.parent.name == "instances" and path.is_relative_to(place.state_dir)


def _is_ulimits(value: object) -> bool:
    """Each of them, and once: the engine takes the last of two, and its own for one that is not there."""
    if not isinstance(value, list) or not all(map(_is_ulimit, value)):
        return False
    return sorted(one["Name"] for one in value) == sorted(ULIMITS)


def _is_ulimit(one: object) -> bool:
    return (
        isinstance(one, Mapping)
        and one.keys() == {"Name", "Soft", "Hard"}
        and isinstance(one["Name"], str)
        and one["Name"] in ULIMITS
        and _is_number(one["Soft"])
        and _is_number(one["Hard"])
        and 0 <= one["Soft"] <= one["Hard"] <= ULIMITS[one["Name"]]
    )


def _is_log_config(value: object) -> bool:
    if not isinstance(value, Mapping) or not value.keys() <= {"Type", "Config"}:
        return False
    if value.get("Type") == "none":
        return not value.get("Config")
    config = value.get("Config")
    return (
        value.get("Type") == "json-file"
        and isinstance(config, Mapping)
        and config.keys() == {"max-size", "max-file"}
        and config["max-file"] == "1"
        and isinstance(config["max-size"], str)
        and LOG_BOUND.fullmatch(config["max-size"]) is not None
    )

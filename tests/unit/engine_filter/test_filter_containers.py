"""Which containers the engine's filter lets a manager make: all that it makes, and no other."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine_filter.containers import refusal
from orchestrator.engine_filter.place import Place
from orchestrator.kits.docker import inside
from orchestrator.runtime.docker import egress, options, void
from orchestrator.runtime.docker.settings import DockerSettings
from orchestrator.runtime.port import Egress, InstanceSpec, Role
from orchestrator.settings import Settings

STATE = Path("/var/lib/genvm")
PLACE = Place(
    STATE,
    frozenset({"genvm-executor", "genvm-base", "genvm-llm", "registry:5000/genvm/web"}),
    frozenset({"studio_default"}),
    frozenset({"runsc"}),
)
SETTINGS = DockerSettings("0123456789ab", STATE, network="container:" + "a" * 64)
NAME = "genvm-0123456789ab-run-7"
IMAGES = {Role.EXECUTOR: "genvm-executor:v1", Role.LLM: "genvm-llm", Role.WEB: "registry:5000/genvm/web:2"}
Body = dict[str, Any]


def spec(role: Role, reuse: int = 1) -> InstanceSpec:
    return InstanceSpec(
        name="run-7",
        role=role,
        image=IMAGES[role],
        version="v0.2.12",
        execution_id=7,
        deadline=None,
        memory_bytes=1024**3,
        cpus=1.0,
        pids=64,
        reuse=reuse,
    )


def instance(role: Role = Role.EXECUTOR, settings: DockerSettings = SETTINGS, reuse: int = 1) -> Body:
    """As the runtime makes it."""
    network = settings.network if role is Role.EXECUTOR else "genvm-0123456789ab-modules"
    made = options.create_body(
        DockerSettings(
            settings.manager_id,
            settings.state_dir,
            network=network,
            module_network=network,
            oci_runtime=settings.oci_runtime,
        ),
        spec(role, reuse),
        STATE / "instances" / "run-7",
        "attempt",
        options.seccomp_profile(role),
        guarded=role is Role.EXECUTOR,
    )
    return copy.deepcopy(made)


def packet_filter(network: str = "container:abc") -> Body:
    line = egress.command_line(SETTINGS, "install", Egress())
    return copy.deepcopy(egress.create_body(SETTINGS, "registry:5000/genvm/web:2", network, line, "f"))


def doctors(role: Role, directory: Path | None = None) -> Body:
    return inside.body(Settings(state_dir=STATE), role, "probe.py", directory)


MADE: Mapping[str, Body] = {
    "executor": instance(),
    "executor of several runs": instance(reuse=5),
    "executor in a network of its own": instance(
        settings=DockerSettings("0123456789ab", STATE, network="none")
    ),
    "executor under another runtime": instance(
        settings=DockerSettings("0123456789ab", STATE, network="none", oci_runtime="runsc")
    ),
    "llm": instance(Role.LLM),
    "web": instance(Role.WEB),
    "void": void.create_body(SETTINGS, options.seccomp_profile()),
    "packet filter": packet_filter(),
    "doctor's packet filter": packet_filter("none"),
    "doctor's probe": doctors(Role.EXECUTOR),
    "doctor's browser": doctors(Role.WEB),
    "doctor's meeting": doctors(Role.EXECUTOR, STATE / ".genvm-doctor-x" / "instances" / "doctor"),
}


@pytest.mark.parametrize("body", MADE.values(), ids=MADE)
def test_a_manager_makes_what_it_needs(body: Body) -> None:
    assert refusal(NAME, body, PLACE) is None


def changed(body: Body, change: Callable[[Body], object]) -> Body:
    made = copy.deepcopy(body)
    change(made)
    return made


def host(**values: object) -> Callable[[Body], object]:
    return lambda body: body["HostConfig"].update(values)


def outer(**values: object) -> Callable[[Body], object]:
    return lambda body: body.update(values)


def mount(**values: object) -> Callable[[Body], object]:
    return lambda body: body["HostConfig"]["Mounts"][0].update(values)


def without(name: str) -> Callable[[Body], object]:
    return lambda body: body["HostConfig"].pop(name)


def tmpfs(*bounds: str, where: str = options.SHM) -> Callable[[Body], object]:
    return host(Tmpfs={where: ",".join(["rw,noexec,nosuid,nodev,mode=1777", *bounds])})


def ulimit(name: str, most: int) -> Callable[[Body], object]:
    def change(body: Body) -> None:
        limits = body["HostConfig"]["Ulimits"]
        limits[:] = [one | {"Hard": most} if one["Name"] == name else one for one in limits]

    return change


def unbounded(body: Body) -> None:
    """Of an instance, what the void has not, and shared memory for nobody."""
    for name in ("Tmpfs", "NanoCpus", "Ulimits", "OomScoreAdj"):
        body["HostConfig"].pop(name)
    body["HostConfig"]["IpcMode"] = "none"


def log(**config: str) -> Callable[[Body], object]:
    return host(LogConfig={"Type": "json-file", "Config": config})


UNCONFINED = ["no-new-privileges:true", "seccomp=unconfined"]
BIND = {
    "Type": "bind",
    "Source": "/",
    "Target": "/host",
    "ReadOnly": False,
    "BindOptions": {"Propagation": "rprivate"},
}

WORSE: Mapping[str, Callable[[Body], object]] = {
    # Privileges.
    "privileged": host(Privileged=True),
    "privileged in other letters": host(privileged=True),
    "privileged as a number": host(Privileged=1),
    "every capability": host(CapAdd=["ALL"]),
    "one capability": host(CapAdd=["SYS_ADMIN"]),
    "the packet filter's capability": host(CapAdd=["NET_ADMIN"]),
    "capabilities kept": host(CapDrop=[]),
    "one capability dropped": host(CapDrop=["NET_RAW"]),
    "capabilities unsaid": without("CapDrop"),
    "root": outer(User="0:0"),
    "root by name": outer(User="root"),
    "the image's user": outer(User=""),
    "another user": outer(User="1000:1000"),
    "another group": host(GroupAdd=["0"]),
    "new privileges": host(SecurityOpt=[f"seccomp={options.seccomp_profile()}"]),
    "no profile": host(SecurityOpt=UNCONFINED),
    "a profile of one's own": host(
        SecurityOpt=["no-new-privileges:true", 'seccomp={"defaultAction":"SCMP_ACT_ALLOW"}']
    ),
    "one profile more": host(SecurityOpt=[*UNCONFINED, f"seccomp={options.seccomp_profile()}"]),
    "the packet filter's profile": host(
        SecurityOpt=["no-new-privileges:true", f"seccomp={egress.seccomp_profile()}"]
    ),
    "apparmor off": host(
        SecurityOpt=["no-new-privileges:true", f"seccomp={options.seccomp_profile()}", "apparmor=unconfined"]
    ),
    "a profile unsaid": without("SecurityOpt"),
    "nothing masked": host(MaskedPaths=[]),
    "masks unsaid": without("MaskedPaths"),
    "nothing read-only in /proc": host(ReadonlyPaths=[]),
    # Files of the host.
    "a bind": host(Binds=["/:/host"]),
    "a volume": host(Volumes={"/host": {}}),
    "volumes of another": host(VolumesFrom=["other"]),
    "the host's root": mount(Source="/"),
    "the engine's socket": mount(Source="/var/run/docker.sock"),
    "the state directory": mount(Source=str(STATE)),
    "all instances": mount(Source=str(STATE / "instances")),
    "out of the state directory": mount(Source=f"{STATE}/instances/../../../etc/instances/x"),
    "beside the state directory": mount(Source="/var/lib/genvm-other/instances/x"),
    "two slashes": mount(Source=f"{STATE}//instances/run-7"),
    "writable": mount(ReadOnly=False),
    "elsewhere inside": mount(Target="/etc"),
    "propagated": mount(BindOptions={"Propagation": "rshared"}),
    "made where missing": mount(BindOptions={"Propagation": "rprivate", "CreateMountpoint": True}),
    "a volume as a mount": mount(Type="volume"),
    "one mount more": lambda body: body["HostConfig"]["Mounts"].append(BIND),
    "a device": host(
        Devices=[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "r"}]
    ),
    "devices by rule": host(DeviceCgroupRules=["a *:* rwm"]),
    "devices by request": host(DeviceRequests=[{"Count": -1}]),
    "writable root": host(ReadonlyRootfs=False),
    "programs in tmpfs": host(Tmpfs={options.SHM: "rw,nosuid,nodev,mode=1777,size=1,nr_inodes=1"}),
    "a tmpfs without bounds": tmpfs(),
    "a tmpfs of a terabyte": tmpfs("size=999999999999", "nr_inodes=1"),
    "a tmpfs of a billion files": tmpfs("size=1", "nr_inodes=999999999"),
    "a tmpfs of endless size": tmpfs("size=0", "nr_inodes=1"),
    "a tmpfs of endless files": tmpfs("size=1", "nr_inodes=0"),
    "a tmpfs without a size": tmpfs("nr_inodes=1"),
    "a tmpfs without a bound of files": tmpfs("size=1"),
    "a tmpfs of two sizes": tmpfs("size=1", "size=2", "nr_inodes=1"),
    "a tmpfs of a share of memory": tmpfs("size=100%", "nr_inodes=1"),
    "a tmpfs of a size in blocks": tmpfs("nr_blocks=1", "nr_inodes=1"),
    "tmpfs over the image": lambda body: body["HostConfig"]["Tmpfs"].update(
        {"/usr": body["HostConfig"]["Tmpfs"][options.SHM]}
    ),
    "tmpfs unsaid": without("Tmpfs"),
    "the engine's shared memory": tmpfs("size=1", "nr_inodes=1", where=options.TMP),
    "processors unsaid": without("NanoCpus"),
    "more processors than there are": host(NanoCpus=10**15),
    "limits of processes unsaid": without("Ulimits"),
    "limits of processes that name none": host(Ulimits=[]),
    "one limit of processes missing": lambda body: body["HostConfig"]["Ulimits"].pop(),
    "one limit of processes twice": lambda body: body["HostConfig"]["Ulimits"].append(
        body["HostConfig"]["Ulimits"][0]
    ),
    "files without end": ulimit("nofile", 1_048_576),
    "core files": ulimit("core", 1),
    "message queues": ulimit("msgqueue", 1),
    "much locked memory": ulimit("memlock", 65537),
    "who goes first unsaid": without("OomScoreAdj"),
    "as late to go as the manager": host(OomScoreAdj=0),
    "an endless log": log(),
    "a log without a size": log(**{"max-file": "1"}),
    "a log of any number of files": log(**{"max-size": "1m"}),
    "a log of many files": log(**{"max-size": "1m", "max-file": "1000"}),
    "a log without bound": log(**{"max-size": "-1", "max-file": "1"}),
    "a large log": log(**{"max-size": "100m", "max-file": "1"}),
    "a log of gigabytes": log(**{"max-size": "1g", "max-file": "1"}),
    "a log compressed": log(**{"max-size": "1m", "max-file": "1", "compress": "true"}),
    "a log that is unsaid": host(LogConfig={"Type": "json-file"}),
    "a log driver that sends": host(
        LogConfig={"Type": "syslog", "Config": {"syslog-address": "tcp://1.2.3.4"}}
    ),
    # Namespaces of the host and of others.
    "the host's network": host(NetworkMode="host"),
    "the engine's network": host(NetworkMode="bridge"),
    "the default network": host(NetworkMode="default"),
    "a network unsaid": without("NetworkMode"),
    "the modules' network": host(NetworkMode="studio_default"),
    "somebody's network": outer(NetworkingConfig={"EndpointsConfig": {"other": {}}}),
    "the host's processes": host(PidMode="host"),
    "another's processes": host(PidMode="container:other"),
    "the host's memory": host(IpcMode="host"),
    "shared memory to join": host(IpcMode="shareable"),
    "the host's name": host(UTSMode="host"),
    "the host's users": host(UsernsMode="host"),
    "the host's control groups": host(CgroupnsMode="host"),
    "another control group": host(CgroupParent="/"),
    "kernel settings": host(Sysctls={"net.ipv4.ip_forward": "1"}),
    "a published port": host(PortBindings={"80/tcp": [{"HostPort": "80"}]}),
    # Limits.
    "no memory limit": host(Memory=0),
    "endless memory": host(Memory=-1),
    "endless swap": host(MemorySwap=-1),
    "swap": host(MemorySwap=1024**4),
    "less memory and swap than memory": host(MemorySwap=1),
    "more memory than there is": host(Memory=10**15, MemorySwap=10**15),
    "no task limit": host(PidsLimit=0),
    "endless tasks": host(PidsLimit=-1),
    "tasks unsaid": without("PidsLimit"),
    "more tasks than a kernel has": host(PidsLimit=4_000_000),
    "never the first to go": host(OomScoreAdj=-1000),
    "never killed": host(OomKillDisable=True),
    "started again for ever": host(RestartPolicy={"Name": "always"}),
    "locked memory": host(Ulimits=[{"Name": "memlock", "Soft": -1, "Hard": -1}]),
    "real-time": host(Ulimits=[{"Name": "rtprio", "Soft": 99, "Hard": 99}]),
    # What runs.
    "another image": outer(Image="alpine"),
    "another registry's image": outer(Image="evil.example/genvm-executor"),
    "another image behind one of ours": outer(Image="genvm-executor@/../alpine"),
    "an image by id": outer(Image="sha256:" + "0" * 64),
    "another runtime": host(Runtime="nvidia"),
    "a runtime that is no text": host(Runtime=["runc"]),
    "a limit whose name is no text": host(Ulimits=[{"Name": ["nofile"], "Soft": 1, "Hard": 1}]),
    "a variable": outer(Env=["LD_PRELOAD=/run/genvm/x.so"]),
    "elsewhere": outer(WorkingDir="/proc/self/cwd"),
    "nobody's label": outer(Labels={"x": "y"}),
    "no label": outer(Labels={}),
    "an image's label": outer(Labels={"io.genvm.orchestrator.image.stage": "x"}),
    "a field of later": outer(Later=1),
    "health": outer(Healthcheck={"Test": ["CMD", "x"]}),
}


@pytest.mark.parametrize("change", WORSE.values(), ids=WORSE)
def test_nothing_else_is_made(change: Callable[[Body], object]) -> None:
    assert refusal(NAME, changed(MADE["executor"], change), PLACE) is not None


ROOTS: Mapping[str, Callable[[Body], object]] = {
    "another program": outer(Cmd=["python3", "-c", "x"]),
    "the image's program": lambda body: body.pop("Cmd"),
    "an entry point before it": outer(Entrypoint=["sh", "-c"]),
    "the image's entry point": lambda body: body.pop("Entrypoint"),
    "the executors' profile": host(SecurityOpt=MADE["executor"]["HostConfig"]["SecurityOpt"]),
    "files of the host": host(Mounts=MADE["executor"]["HostConfig"]["Mounts"]),
    "room to write": tmpfs("size=1", "nr_inodes=1", where=options.SHM),
    "variables": outer(Env=["GENVM_CONTROL=x"]),
    "more capabilities": host(CapAdd=["NET_ADMIN", "SYS_ADMIN"]),
    "the modules' network itself": host(NetworkMode="studio_default"),
    "another user": outer(User="64321:64321"),
    "more memory": host(Memory=1024**3, MemorySwap=1024**3),
    "more tasks": host(PidsLimit=1024),
    "shared memory": host(IpcMode="private"),
}


@pytest.mark.parametrize("change", ROOTS.values(), ids=ROOTS)
def test_root_is_for_the_packet_filter_alone(change: Callable[[Body], object]) -> None:
    assert refusal(NAME, changed(packet_filter(), change), PLACE) is not None


VOIDS: Mapping[str, Callable[[Body], object]] = {
    "another program": outer(Entrypoint=["python3"]),
    "the image's program": lambda body: (body.pop("Entrypoint"), body.pop("Cmd")),
    "another line": outer(Cmd=["1"]),
    "files of the host": host(Mounts=MADE["executor"]["HostConfig"]["Mounts"]),
    "room to write": tmpfs("size=1", "nr_inodes=1", where=options.TMP),
    "variables": outer(Env=["GENVM_CONTROL=x"]),
    "more memory": host(Memory=1024**3, MemorySwap=1024**3),
    "more tasks": host(PidsLimit=64),
    "shared memory": host(IpcMode="private"),
    "a module's profile": host(SecurityOpt=MADE["llm"]["HostConfig"]["SecurityOpt"]),
    "another's network": host(NetworkMode="container:abc"),
    "a network": host(NetworkMode="genvm-0123456789ab-modules"),
}


@pytest.mark.parametrize("change", VOIDS.values(), ids=VOIDS)
def test_less_bounds_are_for_the_void_as_it_is_made(change: Callable[[Body], object]) -> None:
    assert refusal(NAME, changed(MADE["void"], change), PLACE) is not None


@pytest.mark.parametrize("role", Role)
def test_no_instance_is_without_bounds_for_having_no_shared_memory(role: Role) -> None:
    assert "is missing" in str(refusal(NAME, changed(instance(role), unbounded), PLACE))


@pytest.mark.parametrize("role", Role)
def test_an_operator_may_give_much(role: Role) -> None:
    much = host(Memory=64 * 1024**3, MemorySwap=64 * 1024**3, NanoCpus=256 * 10**9, PidsLimit=16_384)
    assert refusal(NAME, changed(instance(role), much), PLACE) is None


def test_a_module_may_be_in_the_operators_network() -> None:
    assert refusal(NAME, changed(MADE["web"], host(NetworkMode="studio_default")), PLACE) is None


@pytest.mark.parametrize("name", ["", "x", "genvm-", "genvm-a/b", "genvm-a b", "../genvm-a"])
def test_a_name_is_a_managers(name: str) -> None:
    assert refusal(name, MADE["executor"], PLACE) is not None


@pytest.mark.parametrize("body", [None, [], "x", {}, {"HostConfig": None}, {"Image": "genvm-executor"}])
def test_what_is_no_description_is_refused(body: object) -> None:
    assert refusal(NAME, body, PLACE) is not None

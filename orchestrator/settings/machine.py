"""What the manager keeps, and what containers it makes."""

from __future__ import annotations

from pathlib import Path

from orchestrator.runtime.port import EgressFilter
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings.about import MIB, Group, Unit, setting
from orchestrator.settings.values import (
    PROVIDER_KEYS,
    Addresses,
    DatabaseUrl,
    InstanceNetwork,
    ManagerId,
    NamedPath,
    VariableNames,
)


class Places(Group):
    """What is kept where"""

    state_dir: NamedPath = setting(
        Path("/var/lib/genvm-orchestrator"),
        "one manager's journal and control sockets. Keep it short: paths of sockets end at 107 bytes",
        why="where services keep their state",
        unit=Unit.PATH,
    )
    disk_floor_bytes: int = setting(
        16 * MIB,
        "room on its disk below which the manager says that it is not ready",
        why="runs under way can still be written down then, and somebody has time to make space",
        unit=Unit.BYTES,
        ge=MIB,
    )
    manager_id: ManagerId | None = setting(
        None,
        "marks the manager's instances and its rows. Unset: made once, and kept in the state directory",
        why="a better one exists only where something names managers for good, as a StatefulSet does",
        unit=Unit.NAME,
    )
    database_url: DatabaseUrl | None = setting(
        None,
        "the journal's database, postgresql+psycopg://…. Unset: SQLite in the state directory",
        why="a file needs no other service",
        unit=Unit.URL,
    )
    manifest: NamedPath | None = setting(
        None,
        "YAML file of executor versions (manifest.md). Unset: the one that is built in",
        why="the one that is built in fits the images that `images build` makes",
        unit=Unit.PATH,
    )


class EngineChoice(Group):
    """What runs instances"""

    runtime: RuntimeName = setting(
        RuntimeName.DOCKER,
        "docker; kubernetes; or process: no containers, no isolation",
        why="every contract runs in a container",
        unit=Unit.CHOICE,
    )
    docker_url: str | None = setting(
        None,
        "the container engine's. Unset: DOCKER_HOST, the context in use, or the default socket (engines.md)",
        why="the engine that `docker` itself would speak to",
        unit=Unit.URL,
    )
    image_pattern: str = setting(
        "genvm-executor:latest",
        "image of versions that name none; {version} is replaced by theirs",
        why="what `images build` makes",
        unit=Unit.IMAGE,
    )


class Instances(Group):
    """One instance"""

    instance_memory_bytes: int = setting(
        1024 * MIB,
        "memory of one container, all in all",
        why="holds the executor (about 100 MiB) and the 768 MiB that contracts have on every node; in a"
        " smaller one cause `oom` comes first, which no node mistakes for a result",
        unit=Unit.BYTES,
        ge=128 * MIB,
    )
    instance_cpus: float = setting(
        1.0,
        "processors for one container",
        why="a run is one thread, which cannot use more",
        unit=Unit.CORES,
        gt=0,
    )
    instance_pids: int = setting(
        64,
        "processes and threads in one container",
        why="the executor uses fewer than 16",
        unit=Unit.TASKS,
        ge=16,
    )
    instance_reuse: int = setting(
        1,
        "how many one instance serves, one after another; `reuse` in the manifest comes first (pool.md)",
        why="a container for each run is the safest",
        unit=Unit.RUNS,
        ge=1,
        le=100_000,
    )
    instance_network: InstanceNetwork = setting(
        InstanceNetwork.VOID,
        "void: all executors share one network namespace with nothing in it; own: one for each (pool.md)",
        why="making a namespace is half the price of a start, and the seccomp profile makes sharing safe",
        unit=Unit.CHOICE,
    )
    void_image: str = setting(
        "genvm-base:latest",
        "image of the container that holds the shared network namespace",
        why="what `images build` makes; it only sleeps",
        unit=Unit.IMAGE,
    )
    oci_runtime: str | None = setting(
        None,
        "the executors' OCI runtime (runsc, kata, …). Unset: the engine's default",
        why="stronger ones are slower, and few machines have them (isolation.md)",
        unit=Unit.NAME,
        min_length=1,
    )
    module_oci_runtime: str | None = setting(
        None,
        "the modules' OCI runtime. Unset: the engine's default",
        why="as for executors; apart, because a browser may not run in every one",
        unit=Unit.NAME,
        min_length=1,
    )


class Warm(Group):
    """Instances that are ready before anybody asks (pool.md)"""

    pool_size: int = setting(
        2,
        "instances kept ready for each executor image; 0: no pool",
        why="a node runs a leader and a validator at a time; an idle one costs about 40 MiB, and two are made"
        " again within a second",
        unit=Unit.INSTANCES,
        ge=0,
        le=1000,
    )
    pool_max_size: int | None = setting(
        None,
        "let the size follow the arrival rate up to this. Unset: it is fixed",
        why="no memory is taken that nobody has decided on",
        unit=Unit.INSTANCES,
        ge=1,
        le=1000,
    )
    pool_refill_concurrency: int = setting(
        1,
        "containers that the pool starts at once",
        why="filling gives way to runs, which need the processor and the engine now",
        unit=Unit.STARTS,
        ge=1,
        le=16,
    )
    pool_max_age: float = setting(
        3600.0,
        "age at which a ready instance is replaced",
        why="so that nothing can go bad by waiting; once an hour costs nothing",
        unit=Unit.SECONDS,
        gt=0,
    )


class ModuleContainers(Group):
    """The llm and the web module (modules.md)"""

    llm_image: str = setting(
        "genvm-llm:latest", "image of the llm module", why="what `images build` makes", unit=Unit.IMAGE
    )
    llm_config: NamedPath | None = setting(
        None,
        "its configuration for starts with `config: null`. Unset: the one that is built in",
        why="the one that is built in knows all providers, and takes their keys from the environment",
        unit=Unit.PATH,
    )
    llm_memory_bytes: int = setting(
        512 * MIB,
        "memory of its container",
        why="it mostly waits for others: prompts and answers are bounded",
        unit=Unit.BYTES,
        ge=64 * MIB,
    )
    llm_cpus: float = setting(
        1.0, "processors for its container", why="it mostly waits for others", unit=Unit.CORES, gt=0
    )
    llm_pids: int = setting(
        128,
        "processes and threads in its container",
        why="a process for each script of a filter, and room",
        unit=Unit.TASKS,
        ge=16,
    )
    web_image: str = setting(
        "genvm-web:latest", "image of the web module", why="what `images build` makes", unit=Unit.IMAGE
    )
    web_config: NamedPath | None = setting(
        None,
        "its configuration for starts with `config: null`. Unset: the one that is built in",
        why="the one that is built in reaches the public web and nothing else",
        unit=Unit.PATH,
    )
    web_memory_bytes: int = setting(
        2048 * MIB,
        "memory of its container",
        why="a browser with several pages open",
        unit=Unit.BYTES,
        ge=64 * MIB,
    )
    web_cpus: float = setting(
        2.0,
        "processors for its container",
        why="a page's script and its drawing run beside each other",
        unit=Unit.CORES,
        gt=0,
    )
    web_pids: int = setting(
        1024,
        "processes and threads in its container",
        why="a browser has dozens for each page",
        unit=Unit.TASKS,
        ge=16,
    )
    web_tmp_bytes: int = setting(
        512 * MIB,
        "space for the browser's profile and caches",
        why="they are in memory, and new for each browser",
        unit=Unit.BYTES,
        ge=MIB,
    )
    web_shm_bytes: int = setting(
        256 * MIB,
        "memory that the browser's processes share",
        why="the engine's own default of 64 MiB is too small for large pages",
        unit=Unit.BYTES,
        ge=MIB,
    )
    module_ready_timeout: float = setting(
        60.0,
        "how long a module may take to start, and again to take its configuration",
        why="a browser's first start on a machine that is busy",
        unit=Unit.SECONDS,
        gt=0,
    )
    module_ping_interval: float = setting(
        5.0,
        "time between two pings of a module; after four without an answer it is started again",
        why="one that hangs is replaced within half a minute",
        unit=Unit.SECONDS,
        gt=0,
    )
    module_usage_timeout: float = setting(
        5.0,
        "how long the end of a run waits for what its sessions at the modules came to",
        why="on a machine that is busy it is not lost; a module that hangs delays the end by no more",
        unit=Unit.SECONDS,
        gt=0,
    )
    module_network: str = setting(
        "own",
        "own: a bridge that the manager makes; else the name of an existing network",
        why="nothing else is on a bridge of its own",
        unit=Unit.NAME,
    )
    egress_filter: EgressFilter = setting(
        EgressFilter.AUTO,
        "a packet filter below the web module. auto: where the engine allows one; on: web does not start"
        " without; off: none (web.md)",
        why="who takes the module over still reaches no private address; but some engines allow no filter",
        unit=Unit.CHOICE,
    )
    own_addresses: Addresses = setting(
        [],
        "addresses of this machine that its interfaces do not have, with commas: web reaches none (web.md),"
        " and a node is at none with the manager's port",
        why="the manager sees the interfaces itself, unless it is in a container",
        unit=Unit.NETWORKS,
    )
    template_variables: VariableNames = setting(
        [*PROVIDER_KEYS],
        "variables of the manager's environment that ${ENV[NAME]} in a configuration may read, with commas;"
        " what POST /env sets need not be named",
        why="the keys of providers, and nothing else: who posts a configuration says where a value is sent",
        unit=Unit.NAMES,
    )

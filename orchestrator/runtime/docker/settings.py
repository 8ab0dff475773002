"""Settings of the Docker runtime; the composition root fills them from the manager's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.runtime.control import FRAME_TIMEOUT
from orchestrator.runtime.port import EgressFilter

MIB = 1024 * 1024
VOID = "void"
"""As `DockerSettings.network`: one empty network, kept by a container of the runtime's own, for all."""

OWN_BRIDGE = "own"
"""As `DockerSettings.module_network`."""


@dataclass(frozen=True, slots=True)
class DockerSettings:
    """Times in seconds, sizes in bytes."""

    manager_id: str
    """Every container carries it; sweeps touch no container with another one."""
    state_dir: Path
    """Instances' control directories live in `instances/` below it."""
    host_state_dir: Path | None = None
    """`state_dir` as the engine sees it, where the manager itself runs in a container."""
    base_url: str | None = None
    """None: DOCKER_HOST and its companions, or the default socket."""
    threads: int = 8
    """Blocking calls at once; more than about ten starts only queue inside the engine."""
    label_prefix: str = "io.genvm.orchestrator."
    network: str = "none"
    """Of executors: `none` gives each its own empty namespace, `container:NAME` shares one, and so does
    `void`, with a container that the runtime makes, keeps up and removes itself."""
    void_image: str = "genvm-base:latest"
    """Of that container: anything with `sleep` in it."""
    module_network: str = OWN_BRIDGE
    """Of llm and web modules, whose work is to talk to the world: `own` is a bridge that the runtime makes
    and removes itself, anything else a network that the engine has."""
    oci_runtime: str | None = None
    """What the engine runs executors with, by a name that it knows; None: its default."""
    module_oci_runtime: str | None = None
    """The same for modules."""
    egress_filter: EgressFilter = EgressFilter.AUTO
    uid: int = 64321
    """User and group of every instance: not root, no user of a usual host, the one the images know."""
    tmp_bytes: int = 16 * MIB
    tmp_inodes: int = 4096
    shm_bytes: int = 1 * MIB
    log_size: str = "1m"
    """Of the container's own stdout and stderr on the engine's disk; a run's output goes elsewhere."""
    open_files: int = 1024
    module_open_files: int = 8192
    """A module has two descriptors per run, one per outgoing connection, and a browser has more."""
    oom_score_adj: int = 500
    """When the host runs out of memory, instances go before the manager and the engine."""
    quick_timeout: float = 15.0
    """Of inspect, list, kill and ping."""
    start_timeout: float = 60.0
    """Of create, start and remove: an engine under load takes its time, and giving up early costs more."""
    relist_interval: float = 30.0
    """Between two comparisons of what is with what should be; the event stream may have lost something."""
    reconnect_delay: float = 0.5
    """Before the event stream is opened again; up to three times that while the engine is away."""
    removal_retry: float = 2.0
    """Between two tries to remove what could not be removed."""
    frame_timeout: float = FRAME_TIMEOUT
    """From a frame's first byte to its last, while somebody waits for it."""

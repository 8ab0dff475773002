"""Settings of the manager: environment (`GENVM_…`), then a YAML file (`--config`), then these defaults.

Every field says its unit and why its default is what it is. Secrets are `SecretStr`, so that no log line and
no `config show` can print them.
"""

from __future__ import annotations

import json
import os
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from orchestrator.executions.request import DebugLevel
from orchestrator.runtime.port import EgressFilter
from orchestrator.runtime_name import RuntimeName

MIB = 1024 * 1024


HostName = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$")]


ManagerId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,100}$")]

# As shipped configurations, GenLayer's and the providers' own documentation name them.
PROVIDER_KEYS = (
    "MAIN_LLM_KEY", "OPENAIKEY", "ANTHROPICKEY", "GEMINIKEY", "HEURISTKEY", "XAIKEY",
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "XAI_API_KEY",
    "OPENROUTER_API_KEY", "GROQ_API_KEY", "DEEPSEEK_API_KEY", "MISTRAL_API_KEY", "HEURIST_API_KEY",
)  # fmt: skip


def _octal(value: Any) -> Any:
    """YAML reads 0660 as a number."""
    return f"{value:04o}" if isinstance(value, int) else value


OctalMode = Annotated[str, BeforeValidator(_octal), StringConstraints(pattern=r"^0?[0-7]{3}$")]


LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error")


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return value


LogLevel = Annotated[str, AfterValidator(_log_level)]


class BadConfig(Exception):
    """The settings cannot be read at all; the text says where, and never what a value is."""


class InstanceNetwork(StrEnum):
    """An empty network namespace that all executors share, or one for each."""

    VOID = "void"
    OWN = "own"


class PullPolicy(StrEnum):
    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class ShutdownPolicy(StrEnum):
    """At SIGTERM: end the runs, or leave them to the next manager on the same state directory."""

    DRAIN = "drain"
    DETACH = "detach"


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


PRIVATE_NETWORKS = (
    "127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",
)  # fmt: skip


POD_NETWORKS = tuple(text for text in PRIVATE_NETWORKS if text not in ("127.0.0.0/8", "::1/128"))
"""Loopback is a Pod's own."""

ServerUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^/?#]+/?$")]
ObjectName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]


def default_node_sockets() -> tuple[Path, ...]:
    """Temporary directories, where clients' libraries make their sockets, and run directories of nodes."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    found = ["/tmp", "/var/tmp", os.environ.get("TMPDIR", ""), "/run/genvm-node"]  # noqa: S108
    found.append(f"{session}/genvm-node" if session else "")
    return tuple(dict.fromkeys(Path(name) for name in found if name.startswith("/")))


def _split(value: Any, separator: str) -> Any:
    """A list in one variable, as JSON or simply with separators."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part for part in map(str.strip, value.split(separator)) if part]


class Settings(BaseSettings):
    """The effective settings; immutable once the manager runs."""

    model_config = SettingsConfigDict(env_prefix="GENVM_", extra="ignore", frozen=True)
    config_file: ClassVar[Path | None] = None

    # Listener. Clients hard-code 127.0.0.1:3999 and send no token, hence loopback: who reaches the API is as
    # good as root here, and listening further without tokens takes a second word (docs/api.md).
    host: str = "127.0.0.1"
    port: int = Field(3999, ge=0, le=65535)
    socket: Path | None = Field(None, description="serve on this unix socket instead of host and port")
    socket_mode: OctalMode = Field("0660", description="of that socket, whatever the umask: owner and group")
    socket_group: str | None = Field(
        None,
        min_length=1,
        coerce_numbers_to_str=True,
        description="name or number; unset: the manager's. Its members may do everything",
    )
    allow_unauthenticated: bool = Field(
        False, description="listen beyond loopback without tokens: something else keeps strangers away"
    )
    # Beside addresses, localhost and names without a dot. A name that others' name servers answer for lets
    # any web page in: only names that are yours.
    allowed_hosts: Annotated[list[HostName], NoDecode] = Field(
        [], description="more names in Host that are this manager's, with commas; *.example.org: all below"
    )
    # Other bodies than those that code travels in are bounded by their routes (docs/api.md, Limits).
    max_body_bytes: int = Field(
        128 * MIB, ge=MIB, description="of a body with code; contracts of 64 MiB arrive base64-inflated"
    )
    body_bytes: int = Field(
        256 * MIB, ge=MIB, description="of all bodies that are being read; two of the largest fit"
    )
    body_timeout: float = Field(60.0, gt=0, description="seconds for a request's body to arrive")
    head_timeout: float = Field(10.0, gt=0, description="seconds for a request's head, once it has begun")
    idle_timeout: float = Field(
        75.0, gt=0, description="seconds that a connection may stay without a request"
    )
    max_connections: int | None = Field(
        None, ge=1, description="unset: 4096, or fewer where descriptors are scarce; more wait to be accepted"
    )
    max_message_bytes: int = Field(
        64 * MIB, ge=MIB, description="of one message on /ws; a client that sends more is disconnected"
    )

    # Who may speak (docs/access.md). Without tokens whoever reaches the listener has root on this machine.
    tokens_file: Path | None = Field(
        None, description="tokens, scopes, namespaces; closed to everybody else. unset: no token is needed"
    )
    tokens_interval: float = Field(
        2.0,
        gt=0,
        description="seconds between looks at the file: a token taken out works no longer than that",
    )
    operator_socket: Path | None = Field(
        None, description="serve the operator routes on this unix socket, and nowhere else"
    )
    audit_file: Path | None = Field(
        None, description="administrative calls, a JSON line each; unset: in the manager's log only"
    )

    # State. One manager per directory; instances' control sockets live below it, so keep the path short.
    state_dir: Path = Path("/var/lib/genvm-orchestrator")
    # Where something else gives managers names that last, as a StatefulSet does.
    manager_id: ManagerId | None = Field(
        None, description="marks its instances and its rows; unset: made once, kept in the state directory"
    )
    database_url: SecretStr | None = Field(
        None, description="journal; unset: SQLite in the state directory. postgresql+psycopg://…"
    )
    manifest: Path | None = Field(None, description="manifest YAML; unset: the one that is built in")

    # Runtime.
    runtime: RuntimeName = RuntimeName.DOCKER
    docker_url: str | None = Field(None, description="unset: DOCKER_HOST or the default socket")
    image_pattern: str = Field(
        "genvm-executor:latest", description="image of versions that name none; {version} is replaced"
    )

    # Where the runtime is kubernetes (docs/kubernetes.md). Without a server: the cluster that it is a Pod of.
    kubernetes_server: ServerUrl | None = Field(None, description="https://host:port; unset: its own cluster")
    kubernetes_namespace: ObjectName | None = Field(None, description="of the Pods; unset: the manager's own")
    kubernetes_ca_file: Path | None = Field(None, description="with a server; unset: the system's")
    kubernetes_token_file: Path | None = Field(None, description="with a server; read again as it changes")
    kubernetes_certificate_file: Path | None = Field(
        None, description="with a server: a client's certificate and key in one file"
    )
    kubernetes_connector_image: str = Field(
        "genvm-base:latest", description="of the connector beside each instance, best by digest"
    )
    kubernetes_connector_port: int = Field(8443, ge=1, le=65535)
    # A run whose node its own Pod dials outlives this manager; one that is relayed does not.
    kubernetes_host_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        tuple(map(ip_network, POD_NETWORKS)),
        description="of tcp hosts that Pods dial themselves; empty: none, all is relayed",
    )
    kubernetes_pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    kubernetes_pull_secrets: Annotated[list[ObjectName], NoDecode] = Field(
        [], description="names of the registries' secrets, with commas"
    )
    kubernetes_start_timeout: float = Field(
        120.0, gt=0, description="seconds to a running connector, image pulls included, room not"
    )
    kubernetes_unreachable_seconds: int = Field(
        30, ge=0, description="that a Pod stays bound to a node which does not answer"
    )

    # One instance. 1 GiB holds the executor (about 100 MiB) and the 768 MiB that contracts have on any node,
    # whose end is a result. In a smaller one cause `oom` comes first, which no node mistakes for a result.
    instance_memory_bytes: int = Field(1024 * MIB, ge=128 * MIB)
    instance_cpus: float = Field(1.0, gt=0, description="cores")
    instance_pids: int = Field(64, ge=16, description="tasks; the executor uses fewer than 16")
    # One run per container is the safest. With more, each run still has a process of its own, forked before
    # the job is known, and the container ends as soon as a run is not clean (docs/pool.md).
    instance_reuse: int = Field(
        1, ge=1, le=100_000, description="runs that one instance serves; a manifest's `reuse` comes first"
    )
    # Making a namespace is half the price of a start; the seccomp profile makes sharing safe (docs/pool.md).
    instance_network: InstanceNetwork = InstanceNetwork.VOID
    void_image: str = Field("genvm-base:latest", description="of the container that holds the shared network")
    # Less of the host's kernel than any profile leaves (docs/isolation.md).
    oci_runtime: str | None = Field(
        None, min_length=1, description="executors' container runtime (runsc, kata, …); unset: the engine's"
    )
    module_oci_runtime: str | None = Field(None, min_length=1, description="the same for the modules")

    # Modules (docs/modules.md). The browser wants memory, shared memory and processes; the llm module mostly
    # waits for others.
    llm_image: str = "genvm-llm:latest"
    llm_config: Path | None = Field(None, description="for starts with `config: null`; unset: built in")
    llm_memory_bytes: int = Field(512 * MIB, ge=64 * MIB)
    llm_cpus: float = Field(1.0, gt=0, description="cores")
    llm_pids: int = Field(128, ge=16)
    web_image: str = "genvm-web:latest"
    web_config: Path | None = Field(None, description="for starts with `config: null`; unset: built in")
    web_memory_bytes: int = Field(2048 * MIB, ge=64 * MIB)
    web_cpus: float = Field(2.0, gt=0, description="cores")
    web_pids: int = Field(1024, ge=16)
    web_tmp_bytes: int = Field(512 * MIB, ge=MIB, description="the browser's profile and caches")
    web_shm_bytes: int = Field(256 * MIB, ge=MIB, description="what the browser's processes share")
    module_ready_timeout: float = Field(
        60.0, gt=0, description="seconds to start, and again to take its config"
    )
    module_ping_interval: float = Field(5.0, gt=0, description="seconds; four without an answer: restarted")
    module_network: str = Field(
        "own", description="own: a bridge that the manager makes; or the name of a network that there is"
    )

    # A second filter, below the web module (docs/web.md): whoever takes the module over still reaches no
    # private address. Some engines allow none, hence auto.
    egress_filter: EgressFilter = Field(
        EgressFilter.AUTO,
        description="auto: where the engine allows one; on: web does not start without; off: none",
    )

    # What listens on the machine often listens on these; a manager in a container cannot see them.
    own_addresses: Annotated[list[IPvAnyNetwork], NoDecode] = Field(
        [],
        description="of this machine, with commas, besides its interfaces': web reaches none (docs/web.md)",
    )

    # Of the manager's own environment. Who posts a configuration or a check says where a value is sent:
    # anything else in the environment stays out; values set by POST /env need not be named here.
    template_variables: Annotated[list[VariableName], NoDecode] = Field(
        [*PROVIDER_KEYS], description="names that ${ENV[NAME]} may read, with commas; the keys of providers"
    )

    # Warm instances, ready before anybody asks (docs/pool.md). Two per image: a node runs a leader and a
    # validator at a time, an idle one costs about 40 MiB, and two are made again within a second.
    pool_size: int = Field(2, ge=0, le=1000, description="ready instances per executor image; 0: no pool")
    pool_max_size: int | None = Field(
        None, ge=1, le=1000, description="let the size follow the arrival rate up to this; unset: fixed"
    )
    pool_refill_concurrency: int = Field(1, ge=1, le=16, description="starts for the pool at once")
    pool_max_age: float = Field(3600.0, gt=0, description="seconds; older ready instances are replaced")

    # Admission. One pool for all clients: a permit stands for 1 GiB of memory, which is what an instance gets
    # at most. Unset costs: what each client's own manager takes (1 and 2, the newest 4 and 8; docs/api.md).
    permits: int | None = Field(
        None, ge=2, description="unset: the free memory, permits_per_gib for each GiB"
    )
    permits_per_gib: float = Field(1.0, gt=0)
    permits_per_sync: int | None = Field(None, ge=1, description="cost of a run that uses no modules")
    permits_per_nondet: int | None = Field(None, ge=1, description="cost of a run that may use modules")
    queue_limit: int = Field(1000, ge=0, description="runs waiting for permits; beyond it: refused")
    queue_bytes: int = Field(
        1024 * MIB, ge=MIB, description="of the runs that wait, in the journal; beyond it: refused"
    )
    accept_early: bool = Field(
        True, description="answer a run when it is queued; false: when it started (the reference's way)"
    )
    start_wait: float = Field(
        8.0,
        gt=0,
        description="seconds for permits where a run is answered at its start; clients give up at 10",
    )

    # What requests may ask for (docs/api.md). Above the ceiling a contract could do what no other node sees.
    debug_ceiling: DebugLevel = DebugLevel.SAFE_UNBOUNDED
    # Nodes' listening sockets, which the manager connects to with its own rights (docs/api.md). Unix sockets:
    # where node software makes them, and nothing wider: /run as a whole is full of other services.
    node_sockets: Annotated[tuple[Path, ...], NoDecode] = Field(
        default_factory=default_node_sockets, description="directories, absolute, separated by colons"
    )
    # Loopback and private networks. Not 100.64.0.0/10, which carriers, overlays and a cloud's metadata share.
    node_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = Field(
        tuple(map(ip_network, PRIVATE_NETWORKS)), description="networks of tcp hosts, separated by commas"
    )
    allowed_arguments: list[str] = Field(["--debug-mode"], description="of a request's extra_args")

    # Times, in seconds.
    longest_run: float = Field(86_400.0, gt=0, description="no run gets more, whatever it asks for")
    ready_timeout: float = Field(60.0, gt=0, description="from container start to its `ready`")
    host_connect_timeout: float = Field(5.0, gt=0, description="a node's socket is local or near")
    end_grace: float = Field(2.0, ge=0, description="from the order to end (deadline, shutdown) to SIGKILL")
    retention: float = Field(300.0, gt=0, description="finished runs stay readable this long")
    refetch_grace: float = Field(30.0, ge=0, description="a fetched status can be fetched again this long")
    shutdown_timeout: float = Field(20.0, ge=0, description="for ending all runs at SIGTERM")
    shutdown_policy: ShutdownPolicy = ShutdownPolicy.DRAIN
    drain_timeout: float = Field(0.0, ge=0, description="at SIGTERM let runs go on this long first")

    # What is kept of a run.
    output_tail_bytes: int = Field(4 * MIB, ge=0, description="of stdout and of stderr each")
    log_records: int = Field(128, ge=0, description="the last ones of a run")
    retained_bytes: int = Field(256 * MIB, ge=MIB, description="all finished runs together; oldest go first")
    retained_runs: int = Field(10_000, ge=1)

    log_level: LogLevel = "info"
    log_format: LogFormat = LogFormat.AUTO

    @field_validator(
        "allowed_hosts",
        "kubernetes_host_networks",
        "kubernetes_pull_secrets",
        "own_addresses",
        "node_networks",
        "template_variables",
        mode="before",
    )
    @classmethod
    def _names_with_commas(cls, value: Any) -> Any:
        """In the environment a list is JSON, or simply has commas."""
        return _split(value, ",")

    @field_validator("node_sockets", mode="before")
    @classmethod
    def _paths_with_colons(cls, value: Any) -> Any:
        return _split(value, ":")

    @field_validator("node_sockets")
    @classmethod
    def _directories_of_nodes(cls, directories: tuple[Path, ...]) -> tuple[Path, ...]:
        for one in directories:
            if not one.is_absolute() or one == Path("/") or ".." in one.parts:
                raise ValueError(f"{str(one)!r} is no absolute path of a directory below /")
        return directories

    @model_validator(mode="after")
    def _the_largest_body_fits(self) -> Self:
        if self.body_bytes < self.max_body_bytes:
            raise ValueError("body_bytes is at least max_body_bytes: a single body could not be read")
        return self

    @model_validator(mode="after")
    def _costs_come_together(self) -> Self:
        if (self.permits_per_sync is None) is not (self.permits_per_nondet is None):
            raise ValueError("permits_per_sync and permits_per_nondet are set both or neither")
        return self

    @model_validator(mode="after")
    def _operators_have_their_own_socket(self) -> Self:
        if self.operator_socket is not None and self.operator_socket == self.socket:
            raise ValueError("operator_socket is another socket than socket")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the YAML file."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if cls.config_file is not None:
            sources.append(
                YamlConfigSettingsSource(settings_cls, yaml_file=cls.config_file, yaml_file_encoding="utf-8")
            )
        return tuple(sources)


def load_settings(config_file: Path | None = None, **flags: Any) -> Settings:
    """The effective settings; `flags` (command line) win over everything, None means not given.

    Raises pydantic's ValidationError, BadConfig.
    """
    if config_file is not None:
        _check_readable(config_file)

    class Sourced(Settings):
        pass

    Sourced.config_file = config_file
    try:
        return Sourced(**{name: value for name, value in flags.items() if value is not None})
    except SettingsError as error:
        raise BadConfig(f"a setting that is a list is JSON in the environment: {error}") from error


def _check_readable(config_file: Path) -> None:
    try:
        found = yaml.safe_load(config_file.read_text("utf-8"))
    except OSError as error:
        raise BadConfig(f"config file {config_file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadConfig(f"config file {config_file} is not UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise BadConfig(f"config file {config_file}{where}: this is not YAML") from error
    if not isinstance(found, dict | None):
        raise BadConfig(f"config file {config_file}: lines of `name: value` are wanted")

"""What the routes answer, as models: for the OpenAPI document and the tests that use it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

RunId = int


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class Failure(Answer):
    """Every answer that is no success."""

    error: str


class Started(Answer):
    result: Literal["started"]
    id: RunId


class RunStatus(Answer):
    """How a run ended; see docs/api.md for what each client gets."""

    finished_at: int = Field(description="Unix milliseconds")
    stdout: str
    stderr: str
    genvm_log: list[dict[str, Any]] | None
    consumed_result: list[int] | str | None = Field(None, description="integers, or base64 for the newest")
    metrics: dict[str, Any] | None = None
    version_major: int | None = None
    version_minor: int | None = None
    cause: str
    reason: str | None
    state: str
    error: str | None
    exit_code: int | None
    oom_killed: bool
    host_connected: bool
    delivered: bool
    result_code: int | None
    executor: str
    container_id: str | None
    stats: dict[str, int]


class RunAnswer(Answer):
    genvm_id: RunId
    status: RunStatus | None


class Deleted(Answer):
    """With `error` when the id is unknown, or when the run did not end in time; the status is 200 always."""

    genvm_id: RunId
    result: Literal["shutdown_completed"] | None = None
    error: str | None = None


class ArtifactPiece(Answer):
    genvm_id: RunId
    field: str
    total_len: int
    data_base64: str


class Schema(Answer):
    schema_: str = Field(alias="schema", description="JSON text")


class SpecifiedMajor(Answer):
    specified_major: int
    detection_error: str | None = Field(None, description="why the code could not be read")


class Writes(Answer):
    writes: list[tuple[str, str]] = Field(description="key and value, base64")


class ModuleStarted(Answer):
    result: Literal["module_started"]


class ModuleStopped(Answer):
    result: Literal["module_stopped", "module_not_running"]


class ModuleRestarted(Answer):
    result: Literal["module_restarted"]


class PermitsSet(Answer):
    result: Literal["permits_set"]
    permits: int
    note: str | None = Field(None, description="why it is not what was asked for, where prices are set")


class Permits(Answer):
    permits: int = Field(description="the maximum")


class PermitStatus(Answer):
    current: int = Field(description="free now")
    max: int
    per_sync_run: int
    per_nondet_run: int


class FinishedAt(Answer):
    finished_at: str


class ListedRun(Answer):
    has_result: bool
    result: FinishedAt | None
    version: str
    started_at: str
    strict_deadline: str
    state: str
    manager: str | None = Field(None, description="whose run it is, of another manager's")


class Queue(Answer):
    depth: int
    waiting_for: str | None


class PermitHolder(Answer):
    id: RunId
    permits: int
    since: str = Field(description="RFC 3339; of a run that was taken over: its start")


class ManagerStatus(Answer):
    llm_module: str
    web_module: str
    permits: PermitStatus
    executions: dict[str, ListedRun]
    queue: Queue
    permit_holders: list[PermitHolder] = Field(description="who has held longest first, 100 at most")
    engine: str
    no_room: str | None = Field(description="why runs that have started wait for room in the cluster")
    modules: dict[str, dict[str, Any]]
    misuse: dict[str, int] = Field(description="what has been tried and refused since the manager started")
    manager: str | None = Field(None, description="who answers, where several managers share a journal")
    managers: list[dict[str, Any]] | None = Field(None, description="all of them, where there are several")


class CheckedModel(Answer):
    config_index: int
    prompt_index: int
    available: bool
    error: str | None
    response: str | None


class CheckedModels(RootModel[list[CheckedModel]]):
    """Models in the order asked, and for each the prompts."""


class Reloaded(Answer):
    result: Literal["manifest_reloaded"]


class LevelSet(Answer):
    result: Literal["log_level_set"]
    level: str


class EnvironmentSet(Answer):
    result: Literal["env_var_set"]
    key: str


class Described(Answer):
    description: str | None


class Alive(Answer):
    status: str


class Ready(Answer):
    ready: bool
    reason: str | None = Field(None, description="why not; `recovering`: earlier runs are being taken over")
    failing: dict[str, str] | None = Field(None, description="a reason for each part; absent when ready")
    problems: list[str] | None = Field(
        None, description="what somebody should look at; absent when there is nothing"
    )


class Execution(Answer):
    """Everything that is known of a run."""

    id: RunId
    state: str
    manager: str | None = Field(None, description="whose run it is, where several managers share a journal")


class ExecutionPage(Answer):
    executions: list[Execution]
    next: dict[str, int] | None
    retained: dict[str, int]
    namespace: str | None = Field(description="the only one whose runs are listed; null: all")


class Collected(Answer):
    removed: list[dict[str, str]]
    reasons: dict[str, int]

"""A Pod as far as we read one. Takes the API server's JSON apart; nothing of it is trusted to be there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

EXECUTOR, CONNECTOR = "executor", "connector"
"""Names of our two containers."""
TOKEN = "GENVM_TOKEN"  # noqa: S105 (the name of a variable)
_DIGITS = 20
"""Of a version that is a number: it has 64 bits."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A container that does not run yet, or not at this moment, and the word for why."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Running:
    """A container whose process runs."""


@dataclass(frozen=True, slots=True)
class Terminated:
    """A container that ended. `message` is the tail of its own output when it failed."""

    exit_code: int | None
    reason: str
    message: str


ContainerState = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class Container:
    state: ContainerState
    restarts: int


@dataclass(frozen=True, slots=True)
class Condition:
    """`true` is null where the cluster says that it does not know."""

    true: bool | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Pod:
    """`containers` has the init containers too (the connector is one), by name: others may add theirs."""

    name: str
    uid: str
    version: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    deleting: bool
    phase: str
    reason: str = ""
    message: str = ""
    ip: str | None = None
    start_time: datetime | None = None
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    containers: Mapping[str, Container] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    """What proves a manager to its connector; in no log line."""


def is_newer(known: str, answered: str) -> bool:
    """Of two versions of one Pod. Those of a cluster are numbers that grow; of others the watch's counts."""
    if all(version.isdecimal() and len(version) <= _DIGITS for version in (known, answered)):
        return int(known) > int(answered)
    return known != answered


def pod_of(value: Mapping[str, object]) -> Pod:
    """Read one. Raises ValueError without a name, a uid or a version: that is no Pod of a cluster."""
    metadata, status = _mapping(value, "metadata"), _mapping(value, "status")
    name, uid, version = (_text(metadata, key) for key in ("name", "uid", "resourceVersion"))
    if not (name and uid and version):
        raise ValueError("a Pod without name, uid or resourceVersion")
    return Pod(
        name=name,
        uid=uid,
        version=version,
        labels=_texts(metadata, "labels"),
        annotations=_texts(metadata, "annotations"),
        deleting=bool(metadata.get("deletionTimestamp")),
        phase=_text(status, "phase"),
        reason=_text(status, "reason"),
        message=_text(status, "message"),
        ip=_text(status, "podIP") or None,
        start_time=_moment(_text(status, "startTime")),
        conditions={_text(item, "type"): _condition(item) for item in _list(status, "conditions")},
        containers={
            _text(item, "name"): Container(
                _state(_mapping(item, "state")), _number(item, "restartCount") or 0
            )
            for key in ("initContainerStatuses", "containerStatuses")
            for item in _list(status, key)
        },
        token=_token(_mapping(value, "spec")),
    )


def _token(spec: Mapping[str, object]) -> str | None:
    """From the connector's environment: whoever adopts a Pod has it from nowhere else."""
    for container in _list(spec, "initContainers"):
        for variable in _list(container, "env"):
            if _text(container, "name") == CONNECTOR and _text(variable, "name") == TOKEN:
                return _text(variable, "value") or None
    return None


def _state(state: Mapping[str, object]) -> ContainerState:
    if "terminated" in state:
        ended = _mapping(state, "terminated")
        return Terminated(_number(ended, "exitCode"), _text(ended, "reason"), _text(ended, "message"))
    if "running" in state:
        return Running()
    waiting = _mapping(state, "waiting")
    return Waiting(_text(waiting, "reason"), _text(waiting, "message"))


def _condition(item: Mapping[str, object]) -> Condition:
    true = {"True": True, "False": False}.get(_text(item, "status"))
    return Condition(true, _text(item, "reason"), _text(item, "message"))


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _mapping(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


def _list(value: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    inner = value.get(key)
    return [item for item in inner if isinstance(item, dict)] if isinstance(inner, list) else []


def _text(value: Mapping[str, object], key: str) -> str:
    inner = value.get(key)
    return inner if isinstance(inner, str) else ""


def _texts(value: Mapping[str, object], key: str) -> Mapping[str, str]:
    return {name: text for name, text in _mapping(value, key).items() if isinstance(text, str)}


def _number(value: Mapping[str, object], key: str) -> int | None:
    inner = value.get(key)
    return inner if isinstance(inner, int) and not isinstance(inner, bool) else None

"""From what a Pod shows to what that means for its run. Pure functions (spec: Kubernetes, section 3).

The container's own entry comes first, the phase last: it follows up to seconds later. A reason of the cluster
beats an exit code, because a program that is ended from outside may return whatever it likes. Nothing of the
connector's own end or restart says anything about a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.runtime.kubernetes.pods import (
    CONNECTOR,
    EXECUTOR,
    Pod,
    Running,
    Terminated,
    Waiting,
)
from orchestrator.runtime.port import InstanceExit, Loss

_SIGNALS = 64
_NEVER_STARTED = frozenset({"StartError", "ContainerCannotRun"})
_NODE_GIVEN_UP = frozenset({"DeletionByTaintManager", "DeletionByPodGC"})
_STATUS_LOST = "ContainerStatusUnknown"
_FINAL_WAITS = frozenset(
    {"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError", "CreateContainerError"}
)
_PULL_WAITS = frozenset({"ErrImagePull", "ImagePullBackOff"})
_NO_SUCH_IMAGE = (
    "not found",
    "manifest unknown",
    "repository does not exist",
    "pull access denied",
    "authorization failed",
    "unauthorized",
    "no match for platform",
    "invalid reference format",
)
"""What a registry says that will say the same again; that it cannot be reached is not among them."""


class Cause(StrEnum):
    EXITED = "exited"
    SIGNAL = "signal"
    OOM = "oom"
    DEADLINE = "deadline"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Starting:
    """It may yet come. `no_room`: what it waits for is another one's end; `why` in the cluster's words."""

    why: str = ""
    no_room: bool = False


@dataclass(frozen=True, slots=True)
class Reachable:
    """Its connector runs and can be dialled at `ip`; `runs`: so does its executor.

    `node_silent`: the node has not been heard of for a while. Nothing is lost by that.
    """

    ip: str
    runs: bool
    node_silent: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never run. `again`: the same Pod may be taken elsewhere or later."""

    why: str
    again: bool


@dataclass(frozen=True, slots=True)
class Ended:
    cause: Cause
    exit: InstanceExit


Standing = Starting | Reachable | Refused | Ended


def standing(pod: Pod, *, ordered: bool = False) -> Standing:
    """Where a Pod stands. `ordered`: its deletion was asked for by us.

    The first `Refused` or `Ended` of a Pod counts: what comes later may be about its removal.
    """
    executor = pod.containers.get(EXECUTOR)
    if executor is not None and isinstance(executor.state, Terminated):
        return _terminated(pod, executor.state, ordered=ordered)
    if pod.phase in ("Failed", "Succeeded"):
        return _ended_without_a_word(pod)
    if pod.deleting and _with_its_node(pod):
        return _lost(_taken_by(pod) or "the cluster gave its node up")
    if executor is not None and isinstance(executor.state, Running):
        return _running(pod)
    return _waiting(pod)


def gone(last: Pod, *, ordered: bool = False) -> Refused | Ended:
    """How the run of a Pod ended whose object is gone; `last` is what it showed last."""
    seen = standing(last, ordered=ordered)
    if isinstance(seen, Refused | Ended):
        return seen
    if ordered:
        return Ended(Cause.SIGNAL, InstanceExit(None, 9, False, "its Pod was deleted by the manager"))
    return _lost(_taken_by(last) or "its Pod was deleted by somebody else")


def _terminated(pod: Pod, state: Terminated, *, ordered: bool) -> Refused | Ended:
    if state.reason in _NEVER_STARTED:
        return Refused(f"the container could not be started: {_short(state.message)}", again=False)
    if state.reason == "OOMKilled":
        code, signal = _code_and_signal(state.exit_code)
        return Ended(Cause.OOM, InstanceExit(code, signal, True, _short(state.message)))
    if pod.reason == "DeadlineExceeded":
        return Ended(
            Cause.DEADLINE, InstanceExit(None, 9, False, "ended by the kubelet at the Pod's deadline")
        )
    if (taken := _taken_by(pod)) is not None:
        return _lost(taken)
    if state.reason == _STATUS_LOST:
        return _lost("the node no longer knows how the container ended")
    if pod.deleting and not ordered:
        return _lost("its Pod was deleted by somebody else")
    code, signal = _code_and_signal(state.exit_code)
    if code is None and signal is None:
        return Ended(Cause.EXITED, InstanceExit(None, None, False, "the cluster does not say how it ended"))
    cause = Cause.EXITED if signal is None else Cause.SIGNAL
    return Ended(cause, InstanceExit(code, signal, False, _short(state.message)))


def _ended_without_a_word(pod: Pod) -> Refused | Ended:
    """The Pod is over and its executor's entry does not say how, mostly because there is none."""
    if pod.reason == "DeadlineExceeded":
        return Ended(
            Cause.DEADLINE, InstanceExit(None, 9, False, "ended by the kubelet at the Pod's deadline")
        )
    if (taken := _taken_by(pod)) is not None:
        return _lost(taken)
    if pod.phase == "Failed" and EXECUTOR not in pod.containers:
        return Refused(f"the node refused the Pod: {pod.reason} {_short(pod.message)}".rstrip(), again=True)
    return _lost(f"the Pod is {pod.phase} and the cluster does not say how its container ended")


def _running(pod: Pod) -> Starting | Reachable:
    if pod.ip is None:
        return Starting("the Pod has no address yet")
    ready = pod.conditions.get("Ready")
    silent = ready is not None and ready.true is False and not ready.reason
    return Reachable(pod.ip, runs=True, node_silent=silent)


def _waiting(pod: Pod) -> Starting | Reachable | Refused:
    for name in (CONNECTOR, EXECUTOR):
        container = pod.containers.get(name)
        state = None if container is None else container.state
        if isinstance(state, Waiting) and (refused := _never(name, state)) is not None:
            return refused
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is not None and scheduled.true is False:
        return Starting(_short(scheduled.message), no_room=scheduled.reason == "Unschedulable")
    connector = pod.containers.get(CONNECTOR)
    if connector is not None and isinstance(connector.state, Running) and pod.ip is not None:
        return Reachable(pod.ip, runs=False)
    return Starting(_waits_for(pod))


def _never(name: str, state: Waiting) -> Refused | None:
    """Waits that the cluster goes on with for ever."""
    final = state.reason in _FINAL_WAITS or (
        state.reason in _PULL_WAITS and any(mark in state.message.lower() for mark in _NO_SUCH_IMAGE)
    )
    return Refused(f"{name}: {state.reason}: {_short(state.message)}", again=False) if final else None


def _waits_for(pod: Pod) -> str:
    for name in (EXECUTOR, CONNECTOR):
        container = pod.containers.get(name)
        if container is not None and isinstance(container.state, Waiting) and container.state.message:
            return f"{name}: {container.state.reason}: {_short(container.state.message)}"
    return ""


def _taken_by(pod: Pod) -> str | None:
    """Who took the Pod away, where the cluster says so."""
    if pod.reason == "Evicted":
        return f"evicted: {_short(pod.message)}"
    disruption = pod.conditions.get("DisruptionTarget")
    if disruption is not None and disruption.true:
        return f"{disruption.reason}: {_short(disruption.message)}"
    return None


def _with_its_node(pod: Pod) -> bool:
    """Deleted because its node is not heard of: nobody will see how its container ends."""
    disruption = pod.conditions.get("DisruptionTarget")
    return disruption is not None and disruption.true is True and disruption.reason in _NODE_GIVEN_UP


def _lost(detail: str) -> Ended:
    return Ended(Cause.LOST, InstanceExit(None, None, False, detail, Loss.CONTAINER_LOST))


def _code_and_signal(code: int | None) -> tuple[int | None, int | None]:
    """128 and more is a signal; a program that returns such a number itself cannot be told from it."""
    if code is not None and 128 < code <= 128 + _SIGNALS:
        return None, code - 128
    return code, None


def _short(text: str) -> str:
    return text.strip()[:1000]

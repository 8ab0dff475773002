"""Each recorded life of a Pod, and what its states mean for a run."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.runtime.kubernetes.pods import Pod, pod_of
from orchestrator.runtime.kubernetes.standing import (
    Cause,
    Ended,
    Reachable,
    Refused,
    Standing,
    Starting,
    gone,
    standing,
)
from orchestrator.runtime.port import Loss
from tests.kubernetes.kube_vectors import lives

EXITED_0 = (Cause.EXITED, 0, None)
EXITED_3 = (Cause.EXITED, 3, None)
LOST = (Cause.LOST, None, None)
DEADLINE = (Cause.DEADLINE, None, 9)

ENDS: dict[str, tuple[int, tuple[Cause, int | None, int | None]]] = {
    # name: the event that first says it (counted from the end), and what it says
    "activeDeadlineSeconds, PID 1 ignores TERM": (-1, DEADLINE),
    "activeDeadlineSeconds, PID 1 exits 5 on TERM": (-1, DEADLINE),
    "runAsNonRoot with the image's own numeric user": (-2, EXITED_0),
    "emptyDir sizeLimit exceeded (disk)": (-1, LOST),
    "emptyDir memory sizeLimit": (-2, EXITED_0),
    "dnsPolicy None with a dead server": (-2, EXITED_0),
    "sidecar ends with the pod": (-3, EXITED_0),
    "message only on error": (-2, EXITED_0),
    "exit 0": (-2, EXITED_0),
    "exit 3": (-2, EXITED_3),
    "kill -9 of itself as PID 1": (-2, EXITED_0),
    "segfault of a child": (-2, (Cause.SIGNAL, None, 11)),
    "oom of PID 1": (-2, (Cause.OOM, None, 9)),
    "oom of a child, PID 1 exits 7": (-2, (Cause.OOM, 7, None)),
    "preempted": (-3, LOST),
    "node silent, then force-deleted": (-1, LOST),
    "ended while its node was silent": (-3, EXITED_0),
    "node silent, deleted by the taint manager": (-6, LOST),
    "sidecar: the instance exits 0, the connector ignores TERM": (-4, EXITED_0),
    "sidecar: the instance exits 0, the connector ends on TERM": (-4, EXITED_0),
    "sidecar: the instance exits 3": (-4, EXITED_3),
    "sidecar: oom of the instance": (-4, (Cause.OOM, None, 9)),
    # Deleted, and not by us: what they return on SIGTERM is no result, be it 0.
    "sidecar: deleted, both end on TERM": (-4, LOST),
    "sidecar: deleted, neither ends on TERM": (-4, LOST),
    "sidecar: deleted, the instance ignores TERM": (-4, LOST),
    "sidecar: activeDeadlineSeconds, the instance ignores TERM": (-1, DEADLINE),
    "sidecar: activeDeadlineSeconds, neither ends on TERM": (-1, DEADLINE),
    "sidecar: the connector crashes and is started again": (-3, EXITED_0),
    "sidecar: oom of the connector": (-2, EXITED_0),
}

REFUSALS: dict[str, tuple[bool, str]] = {
    # name: worth another try, and a part of the reason
    "command missing": (False, "/no/such"),
    "image missing, pull policy Never": (False, "ErrImageNeverPull"),
    "image name invalid": (False, "InvalidImageName"),
    "secret missing": (False, 'secret "none" not found'),
    "seccomp profile missing on the node": (False, "missing.json"),
    "kubelet refuses admission": (True, "OutOfcpu"),
}

STILL_STARTING = {
    "image missing": "connect: connection refused",
    "unschedulable": "Insufficient cpu",
    "hostUsers false": "",
}
"""No reason of theirs is final; the bound for starting ends them."""


def pod(name: str, event: dict[str, Any]) -> Pod:
    """A recorded state as a Pod with our container's name."""
    status = dict(event["status"])
    for key in ("containerStatuses", "initContainerStatuses"):
        if key in status:
            status[key] = [
                entry | {"name": {"c": "executor", "side": "connector"}.get(entry["name"], entry["name"])}
                for entry in status[key] or []
            ]
    metadata = {
        "name": "p",
        "uid": f"uid of {name}",
        "resourceVersion": "1",
        "deletionTimestamp": event["deletionTimestamp"],
    }
    return pod_of({"metadata": metadata, "status": status})


def standings(name: str, *, ordered: bool = False) -> list[Standing]:
    """What each event of a life means, the last one of a deleted Pod by what it showed last."""
    return [
        gone(pod(name, event), ordered=ordered)
        if event["type"] == "DELETED"
        else standing(pod(name, event), ordered=ordered)
        for event in lives()[name]
    ]


def is_final(seen: Standing) -> bool:
    return isinstance(seen, Ended | Refused)


@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_told_by_the_first_event_that_has_it(name: str) -> None:
    index, (cause, code, signal) = ENDS[name]
    seen = standings(name)
    first = next(position for position, at in enumerate(seen) if is_final(at))
    assert first - len(seen) == index
    ended = seen[first]
    assert isinstance(ended, Ended)
    assert (ended.cause, ended.exit.exit_code, ended.exit.signal) == (cause, code, signal)
    assert ended.exit.oom_killed == (cause is Cause.OOM)
    assert (ended.exit.loss is Loss.CONTAINER_LOST) == (cause is Cause.LOST)


@pytest.mark.parametrize("name", REFUSALS)
def test_what_will_never_run_is_refused_with_the_clusters_reason(name: str) -> None:
    again, words = REFUSALS[name]
    refused = next(seen for seen in standings(name) if is_final(seen))
    assert isinstance(refused, Refused)
    assert refused.again == again
    assert words in refused.why


@pytest.mark.parametrize("name", STILL_STARTING)
def test_what_may_yet_come_goes_on_starting(name: str) -> None:
    seen = standings(name)
    assert all(isinstance(at, Starting) for at in seen)
    last = seen[-1]
    assert isinstance(last, Starting)
    assert STILL_STARTING[name] in last.why
    assert last.no_room == (name == "unschedulable")


@pytest.mark.parametrize("name", [name for name in lives() if "image is missing" in name])
def test_an_image_behind_a_running_connector_leaves_it_reachable_until_the_reason_shows(name: str) -> None:
    assert any(isinstance(seen, Reachable) and not seen.runs for seen in standings(name))
    last = standings(name)[-1]
    assert isinstance(last, Ended)
    assert last.cause is Cause.LOST


def test_every_recorded_life_is_looked_at() -> None:
    of_images = {name for name in lives() if "image is missing" in name}
    others = {"node silent, all nodes silent", "preempts another"}
    assert set(lives()) == {*ENDS, *REFUSALS, *STILL_STARTING, *of_images, *others}


def test_a_silent_node_ends_nothing() -> None:
    silent, back = standings("node silent, all nodes silent")
    assert isinstance(silent, Reachable)
    assert isinstance(back, Reachable)
    assert (silent.node_silent, back.node_silent) == (True, False)


def test_a_connector_can_be_dialled_before_its_executor_runs() -> None:
    seen = standings("sidecar: the instance exits 0, the connector ends on TERM")
    reachable = [at.runs for at in seen if isinstance(at, Reachable)]
    assert reachable == [False, True]


def test_a_connector_that_is_started_again_says_nothing_about_the_run() -> None:
    seen = standings("sidecar: the connector crashes and is started again")
    assert not any(is_final(at) for at in seen[:-3])


def test_what_we_deleted_ended_as_it_ended() -> None:
    last = standings("sidecar: deleted, neither ends on TERM", ordered=True)[-1]
    assert isinstance(last, Ended)
    assert (last.cause, last.exit.signal, last.exit.loss) == (Cause.SIGNAL, 9, None)


def test_a_pod_that_we_deleted_and_never_saw_end_is_no_loss() -> None:
    running = next(event for event in lives()["exit 0"] if event["status"]["phase"] == "Running")
    ended = gone(pod("exit 0", running), ordered=True)
    assert isinstance(ended, Ended)
    assert ended.exit.loss is None


@pytest.mark.parametrize(
    ("message", "final"),
    [
        ('failed to resolve reference "r/i:1": r/i:1: not found', True),
        ("pull access denied, repository does not exist or may require authorization", True),
        ("dial tcp 192.0.2.1:443: i/o timeout", False),
        ("429 Too Many Requests", False),
    ],
)
def test_an_image_that_cannot_be_pulled_is_final_when_the_registry_said_so(message: str, final: bool) -> None:
    status = {
        "phase": "Pending",
        "containerStatuses": [
            {"name": "executor", "state": {"waiting": {"reason": "ErrImagePull", "message": message}}}
        ],
    }
    seen = standing(pod_of({"metadata": {"name": "p", "uid": "u", "resourceVersion": "1"}, "status": status}))
    assert isinstance(seen, Refused) == final


@pytest.mark.parametrize("value", [{}, {"metadata": {"name": "p"}}, {"metadata": []}, {"metadata": None}])
def test_what_is_no_pod_is_not_read_as_one(value: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="without name"):
        pod_of(value)


def test_a_status_of_another_shape_is_a_pod_that_starts() -> None:
    odd = {"phase": 3, "conditions": {"type": "Ready"}, "containerStatuses": ["c", {"name": "executor"}]}
    value = {"metadata": {"name": "p", "uid": "u", "resourceVersion": "1"}, "status": odd}
    assert standing(pod_of(value)) == Starting("")

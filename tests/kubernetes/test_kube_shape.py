"""What a Pod of ours is created with."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.runtime.kubernetes import naming
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.kubernetes.shape import manifest
from orchestrator.runtime.port import InstanceSpec, Role

SETTINGS = KubernetesSettings(manager_id="m1", connector_image="base@sha256:00")
SPEC = InstanceSpec(
    name="run-7",
    role=Role.EXECUTOR,
    image="executor@sha256:11",
    version="v0.2.12",
    execution_id=7,
    deadline=datetime(2026, 11, 28, 12, 0, tzinfo=UTC),
    memory_bytes=512 * 1024 * 1024,
    cpus=0.5,
    pids=64,
)
TOKEN = "5e" * 32


def made(spec: InstanceSpec = SPEC, deadline_in: float | None = 60.0) -> dict[str, Any]:
    return dict(manifest(SETTINGS, spec, attempt="a1", token=TOKEN, deadline_in=deadline_in))


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]


@pytest.mark.parametrize("role", list(Role))
def test_it_is_restricted(role: Role) -> None:
    pod = made(replace(SPEC, role=role))
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "serviceAccountName"} & set(spec)
    assert all(set(volume) == {"name", "emptyDir"} for volume in spec["volumes"])
    for container in containers(pod):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert security.get("runAsUser") != 0
        assert "hostPort" not in json.dumps(container)


def test_it_has_nothing_of_the_clusters_in_it() -> None:
    spec = made()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert (spec["dnsPolicy"], spec["dnsConfig"]) == ("None", {"nameservers": ["127.0.0.1"]})


def test_nobody_starts_it_again_owns_it_or_holds_it_back() -> None:
    pod = made()
    assert pod["spec"]["restartPolicy"] == "Never"
    assert not {"ownerReferences", "finalizers", "generateName"} & set(pod["metadata"])


def test_it_ends_quickly_whoever_ends_it() -> None:
    spec = made()["spec"]
    assert spec["terminationGracePeriodSeconds"] == 1
    (toleration,) = spec["tolerations"]
    assert (toleration["key"], toleration["tolerationSeconds"]) == ("node.kubernetes.io/unreachable", 30)


def test_the_token_is_the_connectors_alone() -> None:
    pod = made()
    (connector,) = pod["spec"].pop("initContainers")
    assert {"name": "GENVM_TOKEN", "value": TOKEN} in connector["env"]
    assert TOKEN not in json.dumps([pod, connector["command"]])


def test_the_connector_knows_how_long_a_program_may_be_alone() -> None:
    idle = {"name": "GENVM_IDLE_SECONDS", "value": "30"}
    assert idle in containers(made())[0]["env"]
    module = containers(made(replace(SPEC, role=Role.LLM)))[0]
    assert {**idle, "value": "600"} in module["env"]


def test_the_two_containers_meet_on_a_socket() -> None:
    connector, executor = containers(made())
    assert (connector["name"], executor["name"]) == ("connector", "executor")
    assert connector["restartPolicy"] == "Always"
    user = made()["spec"]["securityContext"]
    assert connector["securityContext"]["runAsUser"] != user["runAsUser"]
    assert connector["securityContext"]["runAsGroup"] == user["runAsGroup"]
    mounts = [mount for mount in executor["volumeMounts"] if mount["name"] == "run"]
    assert mounts == [{"name": "run", "mountPath": "/run/genvm", "readOnly": True}]
    assert {"name": "GENVM_CONTROL", "value": "control.sock"} in executor["env"]


def test_sizes_are_exact_and_texts() -> None:
    connector, executor = containers(made())
    assert executor["resources"]["requests"] == executor["resources"]["limits"]
    assert executor["resources"]["limits"] == {"cpu": "500m", "memory": "536870912"}
    assert connector["resources"]["requests"]["cpu"] == "50m"


@pytest.mark.parametrize("role", Role)
def test_a_quota_on_limits_finds_one_in_each_container(role: Role) -> None:
    """Otherwise it refuses every run: `must specify limits.cpu for: connector`."""
    for container in containers(made(replace(SPEC, role=role))):
        for kind in ("requests", "limits"):
            assert container["resources"][kind].keys() == {"cpu", "memory"}, container["name"]


def test_the_connector_is_not_held_back_by_its_limit() -> None:
    """It is one thread. With a tenth of a core its first answer takes twice as long."""
    connector, _ = containers(made())
    assert connector["resources"]["limits"]["cpu"] == "1000m"


def test_what_waits_for_a_job_has_no_last_line_yet() -> None:
    idle = made(replace(SPEC, execution_id=None, deadline=None), deadline_in=None)
    assert "activeDeadlineSeconds" not in idle["spec"]
    assert idle["metadata"]["labels"]["io.genvm.orchestrator.state"] == "idle"
    assert made(deadline_in=60.2)["spec"]["activeDeadlineSeconds"] == 76
    assert made(deadline_in=-100)["spec"]["activeDeadlineSeconds"] == 1


def test_an_executor_of_several_runs_knows_how_many() -> None:
    executor = containers(made(replace(SPEC, reuse=5)))[1]
    assert {"name": "GENVM_REUSE", "value": "5"} in executor["env"]


@pytest.mark.parametrize("version", ["v0.2.12", "x" * 80, "a:b/c", "-odd-", "ü", ""])
def test_labels_are_such_as_a_cluster_takes(version: str) -> None:
    for key, value in naming.labels(SETTINGS, replace(SPEC, version=version), "a1", "busy").items():
        assert re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", value), (key, value)


@pytest.mark.parametrize("name", ["run-7", "Run_7", "x" * 200, "warm.1", "-"])
def test_names_are_such_as_a_cluster_takes(name: str) -> None:
    made_name = naming.pod_name(SETTINGS, name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", made_name)


def test_what_had_to_be_changed_stays_apart() -> None:
    names = ["Run-7", "run-7", "run_7", "x" * 200, "x" * 201]
    assert len({naming.pod_name(SETTINGS, name) for name in names}) == len(names)
    values = ["a:b", "a/b", "a-b", "y" * 64, "y" * 65]
    assert len({naming.label_value(value) for value in values}) == len(values)


def test_the_deadline_is_an_annotation() -> None:
    metadata = made()["metadata"]
    assert metadata["annotations"]["io.genvm.orchestrator.deadline"] == "2026-11-28T12:00:00+00:00"
    assert not any("12:00" in value for value in metadata["labels"].values())


def test_a_manager_selects_its_own_by_labels_that_stay() -> None:
    labels = naming.labels(SETTINGS, SPEC, "a1", "idle")
    terms = dict(term.split("=") for term in naming.managed_selector(SETTINGS).split(","))
    assert terms.items() <= labels.items()
    assert not any("state" in key for key in terms)

"""What `doctor` and `gc` find out about a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.kits import kit_of
from orchestrator.kits.finding import Finding, Level
from orchestrator.kits.kit import Found
from orchestrator.kits.kubernetes.checks import RIGHTS
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings
from tests.kubernetes.kube_api import KubeApi

ALL = {(verb, resource) for resource, verb in RIGHTS}


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    one = KubeApi()
    await one.start()
    yield one
    await one.aclose()


def settings_for(api: KubeApi, **changes: Any) -> Settings:
    values: dict[str, Any] = {
        "runtime": RuntimeName.KUBERNETES,
        "kubernetes_server": api.url,
        "kubernetes_namespace": "gv",
        "kubernetes_start_timeout": 0.01,
    }
    return Settings(**values | changes)


async def found(settings: Settings) -> dict[str, Finding]:
    findings = await asyncio.to_thread(kit_of(settings).check, settings)
    return {one.name: one for one in findings}


async def test_of_a_good_cluster_without_a_node_nothing_is_bad_but_that(api: KubeApi) -> None:
    findings = await found(settings_for(api))
    assert {name: one.level for name, one in findings.items()} == dict.fromkeys(
        ("cluster", "rights", "admission", "pod security", "quota", "clock"), Level.OK
    ) | {"instance": Level.FAIL}
    assert "did not start within 0.01 s" in findings["instance"].found
    assert api.store.all("pods", "gv") == []


async def test_missing_rights_are_named_one_by_one(api: KubeApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t1")
    api.grants["t1"] = ("system:serviceaccount:gv:m", ALL - {("patch", "pods"), ("get", "pods/log")})
    rights = (await found(settings_for(api, kubernetes_token_file=tmp_path / "token")))["rights"]
    assert (rights.level, rights.found) == (Level.FAIL, "missing: patch pods, get pods/log")


@pytest.mark.parametrize(
    ("path", "name"),
    [("selfsubjectaccessreviews", "rights"), ("resourcequotas", "quota"), ("limitranges", "quota")],
)
async def test_a_check_that_gets_no_answer_of_a_cluster_leaves_the_others(
    api: KubeApi, path: str, name: str
) -> None:
    """A proxy's page for one of them is not a missing right, and not the end of all."""
    api.faults.words, api.faults.fail = "<html>", (200, lambda _, asked: asked.endswith(path))
    findings = await found(settings_for(api))
    assert (findings[name].level, "could not be told" in findings[name].found) == (Level.FAIL, True)
    assert findings["clock"].level is Level.OK


async def test_the_right_to_see_a_quota_may_be_missing(api: KubeApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t1")
    api.grants["t1"] = ("system:serviceaccount:gv:m", ALL)
    quota = (await found(settings_for(api, kubernetes_token_file=tmp_path / "token")))["quota"]
    assert (quota.level, "not looked at" in quota.found) == (Level.OK, True)


async def test_a_token_that_is_not_taken_is_all_there_is_to_say(api: KubeApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t2")
    api.grants["t1"] = ("system:serviceaccount:gv:m", ALL)
    findings = await found(settings_for(api, kubernetes_token_file=tmp_path / "token"))
    assert list(findings) == ["cluster"]
    assert "Unauthorized" in findings["cluster"].found
    assert "TOKEN" in str(findings["cluster"])


async def test_a_namespace_that_takes_anything_is_said(api: KubeApi) -> None:
    api.add_namespace("open")
    security = (await found(settings_for(api, kubernetes_namespace="open")))["pod security"]
    assert (security.level, "node's network" in security.found) == (Level.WARN, True)


async def test_a_quota_is_shown_and_one_that_is_used_up_warned_of(api: KubeApi) -> None:
    quota = {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "0"}}, "status": {"hard": {"pods": "0"}}}
    api.store.add("resourcequotas", "gv", quota)
    findings = await found(settings_for(api))
    assert findings["quota"].found == "rq: pods 0 of 0"
    assert (findings["admission"].level, "exceeded quota: rq" in findings["admission"].found) == (
        Level.WARN,
        True,
    )


async def test_a_limit_that_refuses_instances_is_a_failure(api: KubeApi) -> None:
    limits = {"limits": [{"type": "Container", "max": {"memory": "128Mi"}}]}
    api.store.add("limitranges", "gv", {"metadata": {"name": "lr"}, "spec": limits})
    findings = await found(settings_for(api))
    assert (findings["admission"].level, findings["quota"].found) == (Level.FAIL, "LimitRange lr")


async def test_a_server_that_is_away_is_all_there_is_to_say(api: KubeApi) -> None:
    settings = settings_for(api)
    await api.stop()
    findings = await found(settings)
    assert (list(findings), findings["cluster"].level) == (["cluster"], Level.FAIL)


def test_outside_of_a_cluster_a_server_has_to_be_named() -> None:
    settings = Settings(runtime=RuntimeName.KUBERNETES)
    (finding,) = kit_of(settings).check(settings)
    assert (finding.level, "KUBERNETES_SERVICE_HOST" in finding.found) == (Level.FAIL, True)


async def test_what_is_surveyed_is_what_a_sweep_removes(api: KubeApi) -> None:
    prefix = "io.genvm.orchestrator."
    for name, execution in (("run-7", "7"), ("pool-1", None)):
        labels = {"app.kubernetes.io/managed-by": "genvm-orchestrator", prefix + "managed-by": "m"}
        labels |= {} if execution is None else {prefix + "execution": execution}
        notes = {prefix + "name": name}
        pod = {"kind": "Pod", "metadata": {"name": f"genvm-m-{name}", "labels": labels, "annotations": notes}}
        api.store.add(
            "pods", "gv", pod | {"spec": {"terminationGracePeriodSeconds": 1}, "status": {"phase": ""}}
        )
    settings = settings_for(api)
    surveyed = await asyncio.to_thread(kit_of(settings).survey, settings, "m")
    assert [(one.name, one.execution, one.directory) for one in surveyed] == [
        ("pool-1", None, False),
        ("run-7", 7, False),
    ]
    assert all(isinstance(one, Found) and one.container_id for one in surveyed)
    runtime = kit_of(settings).open_to_sweep(settings, "m")
    assert await runtime.sweep(frozenset({"run-7"})) == ["pool-1"]
    await runtime.aclose()

"""Checks of a cluster: that it answers, what the manager may do there, what Pods will meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from orchestrator.kits.finding import Finding, Level, fail, ok, warn
from orchestrator.kits.kubernetes.place import pods_of, probe_spec
from orchestrator.kits.kubernetes.probe import check_instance
from orchestrator.runtime.kubernetes.cluster import Cluster
from orchestrator.runtime.kubernetes.failures import Unauthorized
from orchestrator.runtime.kubernetes.http import ApiServer, of_kind
from orchestrator.runtime.kubernetes.naming import MANAGED_BY
from orchestrator.runtime.kubernetes.shape import manifest
from orchestrator.runtime.port import (
    EngineRefused,
    EngineUnreachable,
    RuntimeFailure,
)
from orchestrator.settings import Settings

RIGHTS = (
    ("pods", "create"),
    ("pods", "get"),
    ("pods", "list"),
    ("pods", "watch"),
    ("pods", "patch"),
    ("pods", "delete"),
    ("pods/log", "get"),
)
Check = Callable[[ApiServer, Settings], Awaitable[Finding]]
ADMISSION = "admission"
CLOCK_SLACK = 5.0
"""Seconds that this machine and the cluster may differ by: the kubelet's line is 15 s behind a deadline."""


async def check_cluster(settings: Settings, cluster: Cluster) -> list[Finding]:
    """All of them; the first alone when the API server does not answer."""
    server = ApiServer(cluster)
    try:
        reached = await _reached(server)
        if reached.failed:
            return [reached]
        looked = [reached, *[await _told_by(check, server, settings) for check in _CHECKS]]
        if any(one.failed or (one.name, one.level) == (ADMISSION, Level.WARN) for one in looked):
            return looked
        return looked + await check_instance(settings, cluster)
    finally:
        await server.aclose()


async def _told_by(check: Check, server: ApiServer, settings: Settings) -> Finding:
    """Its finding; a check that could not be made takes nothing from the others."""
    try:
        return await check(server, settings)
    except RuntimeFailure as failure:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        return fail(name, f"could not be told: {failure}", "try again")


async def _reached(server: ApiServer) -> Finding:
    space = server.cluster.namespace
    try:
        await server.send("GET", _path(space, "pods"), of_kind("PodList"), query={"limit": "1"})
    except Unauthorized as unknown:
        hint = "check GENVM_KUBERNETES_TOKEN_FILE, or GENVM_KUBERNETES_CERTIFICATE_FILE"
        return fail("cluster", f"{server.cluster.server} refuses: {unknown}", hint)
    except EngineUnreachable as away:
        return fail("cluster", str(away), "check GENVM_KUBERNETES_SERVER, and what lies between")
    except EngineRefused as refused:
        return fail(
            "cluster", f"{server.cluster.server} refuses: {refused}", "see docs/kubernetes.md, Rights"
        )
    return ok("cluster", f"{server.cluster.server} answers, namespace {space}")


async def check_rights(server: ApiServer, settings: Settings) -> Finding:
    """One by one, as the API server itself sees them."""
    del settings
    missing = [f"{verb} {resource}" for resource, verb in RIGHTS if not await _may(server, resource, verb)]
    if missing:
        return fail("rights", f"missing: {', '.join(missing)}", "give the Role of docs/kubernetes.md, Rights")
    return ok("rights", ", ".join(f"{verb} {resource}" for resource, verb in RIGHTS))


async def _may(server: ApiServer, resource: str, verb: str) -> bool:
    plural, _, sub = resource.partition("/")
    asked = {"namespace": server.cluster.namespace, "verb": verb, "resource": plural}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked | ({"subresource": sub} if sub else {})},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await server.send("POST", path, of_kind("SelfSubjectAccessReview"), body=body)
    return _mapping(answer, "status").get("allowed") is True


async def check_admission(server: ApiServer, settings: Settings) -> Finding:
    """Whether the namespace takes an instance's Pod: its level of security, quota, limits, all of it."""
    body = manifest(
        pods_of(settings, "doctor"), probe_spec(settings), attempt="doctor", token="0" * 64, deadline_in=60.0
    )
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        await server.send(
            "POST", _path(server.cluster.namespace, "pods"), of_kind("Pod"), query=query, body=body
        )
    except RuntimeFailure as refused:
        if "exceeded quota" in str(refused):
            return warn(
                ADMISSION, str(refused), "runs wait for room until something ends, or the quota grows"
            )
        return fail(ADMISSION, f"an instance's Pod is refused: {refused}", "docs/kubernetes.md, Namespace")
    return ok(ADMISSION, "an instance's Pod is taken (dry run)")


async def check_security_level(server: ApiServer, settings: Settings) -> Finding:
    """A container that *restricted* refuses is tried dry: what takes it would take a hostile one."""
    body = manifest(
        pods_of(settings, "doctor"), probe_spec(settings), attempt="doctor", token="0" * 64, deadline_in=60.0
    )
    body["metadata"] = {"name": "genvm-doctor-privileged", "labels": {MANAGED_BY: "doctor"}}
    spec = body["spec"]
    assert isinstance(spec, dict)
    spec["hostNetwork"] = True
    query = {"dryRun": "All"}
    try:
        await server.send(
            "POST", _path(server.cluster.namespace, "pods"), of_kind("Pod"), query=query, body=body
        )
    except EngineRefused as refused:
        if "PodSecurity" in str(refused):
            return ok("pod security", "the namespace refuses what is not restricted")
        return warn("pod security", f"could not be told: {refused}", "docs/kubernetes.md, Namespace")
    except EngineUnreachable as away:
        return warn("pod security", f"could not be told: {away}", "try again")
    return warn(
        "pod security",
        f"the namespace {server.cluster.namespace} takes Pods with the node's network",
        f"kubectl label namespace {server.cluster.namespace} pod-security.kubernetes.io/enforce=restricted",
    )


async def check_quota(server: ApiServer, settings: Settings) -> Finding:
    """What a quota leaves, and what a LimitRange does to instances; the right to look is optional."""
    del settings
    try:
        quotas = await _listed(server, "resourcequotas", "ResourceQuotaList")
        ranges = await _listed(server, "limitranges", "LimitRangeList")
    except EngineRefused as refused:
        return ok("quota", f"not looked at (the right to list resourcequotas and limitranges): {refused}")
    told = [_told_of_quota(one) for one in quotas]
    told += [f"LimitRange {_mapping(one, 'metadata').get('name')}" for one in ranges]
    return ok("quota", "; ".join(told) or "none")


def _told_of_quota(quota: Mapping[str, Any]) -> str:
    hard, used = (_mapping(_mapping(quota, "status"), key) for key in ("hard", "used"))
    left = ", ".join(f"{key} {used.get(key, '0')} of {most}" for key, most in sorted(hard.items()))
    return f"{_mapping(quota, 'metadata').get('name')}: {left or 'nothing counted'}"


async def check_clock(server: ApiServer, settings: Settings) -> Finding:
    """The kubelet's last line counts from the cluster's clock."""
    del settings
    said = await server.date()
    if said is None:
        return ok("clock", "the API server does not say what time it is")
    away = abs((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    if away > CLOCK_SLACK:
        return warn("clock", f"{away:.0f} s from the API server's", "set both by NTP")
    return ok("clock", "the API server's")


def _path(namespace: str, resource: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{resource}"


async def _listed(server: ApiServer, resource: str, kind: str) -> list[Mapping[str, Any]]:
    path = _path(server.cluster.namespace, resource)
    items = (await server.send("GET", path, of_kind(kind))).get("items")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, dict) else {}


_CHECKS: tuple[Check, ...] = (
    check_rights,
    check_admission,
    check_security_level,
    check_quota,
    check_clock,
)

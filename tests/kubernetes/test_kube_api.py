"""The suite's own API server answers as a real one did: every recorded request that concerns a runtime."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.kubernetes.kube_api import BODY_LIMIT, KubeApi
from tests.kubernetes.kube_pods import ANNOTATIONS_LIMIT
from tests.kubernetes.kube_vectors import Recorded, answers, watches

NOT_OURS = {
    "namespace-create": "the namespace is there from the start",
    "namespace-delete": "no runtime deletes one: the walk marks it",
    "podsecurity-deployment-warns": "no Deployments",
    "deployment-delete": "no Deployments",
    "networkpolicy-create": "the chart's",
    "podsecurity-privileged": "quotes the server's own structures",
    "podsecurity-procmount-unmasked-userns": "a field that no Pod of ours has",
    "baseline-unmasked-userns": "a field that no Pod of ours has",
    "evict": "no runtime evicts",
    "evict-against-pdb": "no runtime evicts",
    "resize": "no runtime resizes",
    "log-kubelet-down": "there is no kubelet",
    "quota-while-terminating": "a test of its own, below",
    "too-many-requests": "a fault, below",
    "owner-missing-collected": "no Pod of ours has an owner",
}
RUNNING = {
    "delete-running": ("d1", 5),
    "delete-running-2": ("d2", 2),
    "delete-grace-0": ("d3", 20),
    "delete-grace-1": ("d4", 20),
    "delete-grace-30": ("d5", 30),
    "delete-ignores-pdb": ("d9", 1),
    "delete-normal-node-down": ("nl2", 2),
    "delete-spec-grace-0": ("gz", 0),
    "claim-a": ("warm", 1),
}
"""Pods that ran when the request was made, with their own grace."""
LABELS = {"d9": {"pdb": "1"}, "warm": {"genvm": "idle"}}
FINISHED = {"log-finished": "d6"}
UNSCHEDULED_HELD = {"delete-with-finalizer-grace-0": "d7"}
SCHEDULER = ("system:kube-scheduler", set[tuple[str, str]]())
MANAGER = (
    "system:serviceaccount:gv:genvm-manager",
    {
        *((verb, "pods") for verb in ("create", "get", "list", "watch", "patch", "delete")),
        ("get", "pods/log"),
        *((verb, "leases") for verb in ("create", "get", "update")),
    },
)


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    server = KubeApi()
    await server.start()
    yield server
    await server.aclose()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def pod(name: str, **more: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "c"}], "terminationGracePeriodSeconds": 1} | more
    return {"kind": "Pod", "metadata": {"name": name, "labels": {"app": "t"}}, "spec": spec}


def put_running(api: KubeApi, name: str, grace: int) -> None:
    value = pod(name, nodeName="n", terminationGracePeriodSeconds=grace)
    value["metadata"] |= {"generation": 1, "labels": dict(LABELS.get(name, {"app": "t"}))}
    api.store.objects.pop(("pods", "gv", name), None)
    api.store.add("pods", "gv", value | {"status": {"phase": "Running"}})


def prepare(api: KubeApi, recorded: Recorded) -> None:
    """What had happened in the cluster before this request, and is not in the file."""
    api.grants = {}
    if recorded.name.startswith("sa-"):
        api.grants = {"t": MANAGER}
    elif recorded.name in ("anonymous", "bad-token"):
        api.grants = {"other": MANAGER}
    elif recorded.name.startswith("rbac-"):
        api.grants = {"t": SCHEDULER}
    if recorded.name in RUNNING:
        put_running(api, *RUNNING[recorded.name])
    if recorded.name in FINISHED:
        put_running(api, FINISHED[recorded.name], 1)
        api.store.change("pods", "gv", "d6", lambda value: value["status"].update(phase="Succeeded"))
    if recorded.name in UNSCHEDULED_HELD:
        put_running(api, "d7", 1)
        api.store.change("pods", "gv", "d7", lambda v: v["metadata"].update(finalizers=["genvm.io/hold"]))
    if recorded.name == "create-in-terminating-namespace":
        gone = {"deletionTimestamp": api.store.moment()}
        api.store.change("namespaces", "", "q", lambda value: value["metadata"].update(gone))


def content(api: KubeApi, recorded: Recorded) -> io.BytesIO | None:
    """The body as it was sent; versions and uids of that cluster are those of ours."""
    body = recorded.body
    if body is None:
        return None
    if recorded.name == "annotation-too-large":
        body = {"metadata": {"annotations": {"a": "x" * ANNOTATIONS_LIMIT}}}
    if recorded.name == "body-too-large":
        body = {"metadata": {"annotations": {"a": "x" * BODY_LIMIT}}}
    if isinstance(body, str):
        return io.BytesIO(body.encode())
    current = {"lease-race-1": ("leases", "m"), "claim-a": ("pods", "warm")}.get(recorded.name)
    if current is not None:
        value = api.store.get(current[0], "gv", current[1])
        assert value is not None
        body["metadata"]["resourceVersion"] = value["metadata"]["resourceVersion"]
    return io.BytesIO(json.dumps(body).encode())


def plain(text: str) -> str:
    """Without what differs from cluster to cluster."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UID", text)
    text = re.sub(r"(resource ?version|current|record)(:? \(?)\d+", r"\1\2N", text, flags=re.IGNORECASE)
    return text.partition(",`spec.terminationGracePeriodSeconds`")[0]


def gist(value: Any) -> Any:
    """What of an answer has to be the same."""
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "Status" or "code" in value:
        details = value.get("details") or {}
        named = {key: details.get(key) for key in ("name", "group", "kind", "retryAfterSeconds")}
        # The server repeats a cause about the size of all annotations for each of them.
        causes = [
            (cause.get("reason"), cause.get("field"), plain(cause.get("message", "")))
            for cause in details.get("causes", [])[:1]
        ]
        return value.get("code"), value.get("reason"), plain(value.get("message", "")), named, causes
    metadata = value["metadata"]
    if value["kind"].endswith("List"):
        items = value["items"]
        count = items if isinstance(items, int) else len(items)
        return value["kind"], count, metadata.get("remainingItemCount")
    kept = ("namespace", "generation", "labels", "finalizers", "deletionGracePeriodSeconds")
    of_status = value.get("status") or value
    return (
        value["kind"],
        {key: metadata[key] for key in kept if metadata.get(key) is not None},
        "deletionTimestamp" in metadata,
        of_status.get("phase"),
        value["spec"] if value["kind"] == "Lease" else None,
    )


async def test_a_walk_over_all_that_was_recorded(api: KubeApi, client: aiohttp.ClientSession) -> None:
    api.store.oldest = 500
    api.add_namespace("q")
    api.add_namespace("base", "baseline")
    wrong = {}
    for recorded in answers():
        if recorded.name in NOT_OURS:
            continue
        prepare(api, recorded)
        headers = {"Content-Type": recorded.content_type} if recorded.content_type else {}
        if api.grants and recorded.name != "anonymous":
            headers["Authorization"] = "Bearer bad" if recorded.name == "bad-token" else "Bearer t"
        async with client.request(
            recorded.method, api.url + recorded.path, data=content(api, recorded), headers=headers
        ) as answer:
            text = await answer.text()
            is_json = answer.content_type == "application/json"
            value = json.loads(text) if is_json else text
            got = (
                answer.status,
                answer.headers.get("Retry-After"),
                tuple(answer.headers.getall("Warning", [])),
                gist(value),
            )
        if recorded.name == "request-timeout-1ms":
            assert answer.status == recorded.status
            continue
        wanted = (recorded.status, recorded.retry_after, recorded.warnings, gist(recorded.answer))
        if got != wanted:
            wrong[recorded.name] = (wanted, got)
    assert wrong == {}


async def test_what_is_busy_says_so_in_plain_text(api: KubeApi, client: aiohttp.ClientSession) -> None:
    recorded = next(entry for entry in answers() if entry.name == "too-many-requests")
    api.faults.busy = 1
    async with client.get(api.url + recorded.path) as answer:
        got = answer.status, answer.headers["Retry-After"], answer.content_type, await answer.text()
    assert got == (recorded.status, recorded.retry_after, "text/plain", recorded.answer)


async def lines_of(answer: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    return [json.loads(await answer.content.readline()) for _ in range(count)]


def config_map(name: str) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": name, "labels": {"w": "1"}}}


async def play(api: KubeApi, recorded: dict[str, Any]) -> tuple[dict[str, str], int]:
    """What happened in the recorded cluster; the query for ours, and how many events to wait for."""
    query = dict(recorded["query"])
    store = api.store
    store.add("configmaps", "gv", config_map("w1"))
    start = store.version
    if query.get("resourceVersion") == "688":
        query["resourceVersion"] = str(start)
    future = query.get("resourceVersion") == "99999999"
    if query.get("resourceVersion") not in (None, "0", "1", str(start)) and not future:
        store.version += 30000
        store.forget()
    if query.get("resourceVersion") == str(start):
        store.add("configmaps", "gv", config_map("w2"))
        store.change("configmaps", "gv", "w2", lambda value: value.update(data={"a": "b"}))
        store.remove("configmaps", "gv", "w2")
        store.add("configmaps", "gv", config_map("w2"))
        store.remove("configmaps", "gv", "w2")
    return query, len(recorded["events"])


OTHERS_THERE = ("watch-rv-1", "watch-initial-events-without-bookmarks")
"""These saw objects that a cluster has by itself."""


@pytest.mark.parametrize(
    "recorded", [w for w in watches() if w["name"] not in OTHERS_THERE], ids=lambda w: w["name"]
)
async def test_a_watch_is_told_what_a_real_one_was(
    api: KubeApi, client: aiohttp.ClientSession, recorded: dict[str, Any]
) -> None:
    query, count = await play(api, recorded)
    async with client.get(api.url + recorded["path"], params=query) as answer:
        assert answer.status == recorded["status"]
        if answer.status != 200:
            assert gist(await answer.json()) == gist(recorded["events"][0])
            return
        if query.get("allowWatchBookmarks") and "timeoutSeconds" in query:
            await api.watching.until(1)
            api.watching.bookmark()
        got = await lines_of(answer, count)
        if recorded["events"] and recorded["events"][0]["type"] == "ERROR":
            assert await answer.content.readline() == b""
    assert [event["type"] for event in got] == [event["type"] for event in recorded["events"]]
    for ours, theirs in zip(got, recorded["events"], strict=True):
        if theirs["type"] == "ERROR":
            assert (ours["object"]["code"], ours["object"]["reason"]) == (410, "Expired")
        elif theirs["type"] == "BOOKMARK":
            notes = theirs["object"]["metadata"].get("annotations")
            assert ours["object"]["metadata"].get("annotations") == notes
        else:
            assert ours["object"]["metadata"]["name"] == theirs["object"]["metadata"]["name"]


async def test_what_leaves_a_selector_is_deleted_and_comes_back_added(
    api: KubeApi, client: aiohttp.ClientSession
) -> None:
    api.store.add("configmaps", "gv", config_map("w1"))
    query = {"watch": "true", "resourceVersion": str(api.store.version), "labelSelector": "w=1"}

    def label(text: str) -> None:
        api.store.change("configmaps", "gv", "w1", lambda value: value["metadata"]["labels"].update(w=text))

    label("2")
    label("1")
    async with client.get(f"{api.url}/api/v1/namespaces/gv/configmaps", params=query) as answer:
        events = await lines_of(answer, 2)
    assert [event["type"] for event in events] == ["DELETED", "ADDED"]


async def test_a_change_of_nothing_is_no_event(api: KubeApi) -> None:
    api.store.add("configmaps", "gv", config_map("w1"))
    version = api.store.version
    api.store.change("configmaps", "gv", "w1", lambda value: None)
    assert api.store.version == version


async def test_a_quota_counts_what_is_still_going(api: KubeApi, client: aiohttp.ClientSession) -> None:
    recorded = next(entry for entry in answers() if entry.name == "quota-while-terminating")
    api.add_namespace("q2")
    quota = {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "1"}}}
    api.store.add("resourcequotas", "q2", quota)
    running = pod("f1", nodeName="n", terminationGracePeriodSeconds=5)
    api.store.add("pods", "q2", running | {"status": {"phase": "Running"}})
    async with client.delete(f"{api.url}/api/v1/namespaces/q2/pods/f1") as answer:
        assert answer.status == 200
    async with client.post(api.url + recorded.path, json=recorded.body) as answer:
        assert (answer.status, gist(await answer.json())) == (recorded.status, gist(recorded.answer))
    api.store.remove("pods", "q2", "f1")
    async with client.post(api.url + recorded.path, json=recorded.body) as answer:
        assert answer.status == 201


async def test_after_a_restart_every_older_version_is_too_old(
    api: KubeApi, client: aiohttp.ClientSession
) -> None:
    api.store.add("configmaps", "gv", config_map("w1"))
    before = str(api.store.version - 1)
    await api.restart()
    query = {"watch": "true", "resourceVersion": before}
    async with client.get(f"{api.url}/api/v1/namespaces/gv/configmaps", params=query) as answer:
        (event,) = await lines_of(answer, 1)
    assert event["object"]["reason"] == "Expired"


async def test_a_lost_reply_is_of_something_that_was_done(
    api: KubeApi, client: aiohttp.ClientSession
) -> None:
    api.faults.lose_reply = lambda method, path: method == "POST"
    body = {"metadata": {"name": "m"}, "spec": {}}
    with pytest.raises(aiohttp.ClientError):
        await client.post(f"{api.url}/apis/coordination.k8s.io/v1/namespaces/gv/leases", json=body)
    assert api.store.get("leases", "gv", "m") is not None


async def test_a_silent_watch_is_open_and_says_nothing(api: KubeApi, client: aiohttp.ClientSession) -> None:
    api.faults.silent_watches = True
    query = {"watch": "true", "resourceVersion": str(api.store.version)}
    async with client.get(f"{api.url}/api/v1/namespaces/gv/configmaps", params=query) as answer:
        api.store.add("configmaps", "gv", config_map("w1"))
        api.watching.bookmark()
        api.watching.end_without_a_word()
        assert await answer.content.read() == b""

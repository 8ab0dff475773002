"""The calls of a runtime against the suite's own API server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from orchestrator.runtime.kubernetes import pod_calls
from orchestrator.runtime.kubernetes.calls import Bookmark, Removed, Seen
from orchestrator.runtime.kubernetes.cluster import Cluster, in_cluster
from orchestrator.runtime.kubernetes.failures import (
    AlreadyExists,
    Busy,
    Conflict,
    Expired,
    NoRoom,
    NotFound,
    Unauthorized,
    Unreadable,
    Unsigned,
)
from orchestrator.runtime.kubernetes.http import ApiServer, NotConnected, of_kind, whole_lines
from orchestrator.runtime.kubernetes.pod_calls import PodCalls, event_of
from orchestrator.runtime.kubernetes.settings import KubernetesSettings
from orchestrator.runtime.kubernetes.shape import manifest
from orchestrator.runtime.port import EngineRefused, EngineUnreachable, InstanceSpec, Role
from tests.kubernetes.kube_api import KubeApi
from tests.kubernetes.kube_faults import any_call
from tests.kubernetes.kube_kubelet import Kubelet
from tests.until import until

SETTINGS = KubernetesSettings(manager_id="m1", connector_image="base@sha256:00")
SELECTOR = "app.kubernetes.io/managed-by=genvm-orchestrator"
ALL = {
    *((verb, "pods") for verb in ("create", "get", "list", "watch", "patch", "delete")),
    ("get", "pods/log"),
}


def made(name: str) -> dict[str, object]:
    spec = InstanceSpec(
        name=name,
        role=Role.EXECUTOR,
        image="executor@sha256:11",
        version="v0.2.12",
        execution_id=7,
        deadline=datetime(2026, 11, 28, 12, 0, tzinfo=UTC),
        memory_bytes=512 * 1024 * 1024,
        cpus=0.5,
        pids=64,
    )
    return manifest(SETTINGS, spec, attempt="a1", token="5e" * 32, deadline_in=60.0)


@pytest.fixture
async def api() -> AsyncIterator[KubeApi]:
    server = KubeApi()
    await server.start()
    yield server
    await server.aclose()


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[tuple[PodCalls, ApiServer]]:
    server = ApiServer(cluster)
    try:
        yield PodCalls(server), server
    finally:
        await server.aclose()


@pytest.fixture
async def calls(api: KubeApi) -> AsyncIterator[PodCalls]:
    async with connected(Cluster(api.url, "gv")) as (pods, _):
        yield pods


async def test_our_pod_is_taken_in_a_restricted_namespace(api: KubeApi, calls: PodCalls) -> None:
    pod = await calls.create_pod(made("run-7"))
    kept = api.store.get("pods", "gv", pod.name)
    assert kept is not None
    assert kept["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert pod == await calls.get_pod(pod.name)
    with pytest.raises(AlreadyExists):
        await calls.create_pod(made("run-7"))


async def test_a_field_that_the_server_does_not_know_is_refused_and_not_dropped(calls: PodCalls) -> None:
    with pytest.raises(EngineRefused, match='unknown field "bogus"'):
        await calls.create_pod(made("run-7") | {"bogus": 1})


async def test_a_used_up_quota_is_no_room(api: KubeApi, calls: PodCalls) -> None:
    api.store.add("resourcequotas", "gv", {"metadata": {"name": "rq"}, "spec": {"hard": {"pods": "1"}}})
    await calls.create_pod(made("run-7"))
    with pytest.raises(NoRoom, match="exceeded quota: rq"):
        await calls.create_pod(made("run-8"))


async def test_of_two_claims_of_one_pod_one_wins(calls: PodCalls) -> None:
    pod = await calls.create_pod(made("warm-1"))

    def claim(by: str) -> dict[str, object]:
        return {"metadata": {"resourceVersion": pod.version, "labels": {"by": by}}}

    await calls.patch_pod(pod.name, claim("a"))
    with pytest.raises(Conflict):
        await calls.patch_pod(pod.name, claim("b"))
    assert (await calls.get_pod(pod.name)).labels["by"] == "a"


async def test_only_the_pod_that_is_meant_is_deleted(api: KubeApi, calls: PodCalls) -> None:
    pod = await calls.create_pod(made("run-7"))
    with pytest.raises(Conflict):
        await calls.delete_pod(pod.name, "another", grace=1)
    await calls.delete_pod(pod.name, pod.uid, grace=1)
    with pytest.raises(NotFound):
        await calls.get_pod(pod.name)


async def test_a_running_pod_stays_until_it_is_dead(api: KubeApi, calls: PodCalls) -> None:
    pod = await calls.create_pod(made("run-7"))
    Kubelet(api.store).live(pod.name, "sidecar: deleted, both end on TERM", until=5)
    await calls.delete_pod(pod.name, pod.uid, grace=1)
    assert (await calls.get_pod(pod.name)).deleting
    await calls.delete_pod(pod.name, pod.uid, grace=0)
    with pytest.raises(NotFound):
        await calls.get_pod(pod.name)


async def test_all_pages_are_one_list(api: KubeApi, calls: PodCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_calls, "_PAGE", 2)
    for number in range(5):
        await calls.create_pod(made(f"run-{number}"))
    listed = await calls.list_pods(SELECTOR)
    assert len({pod.uid for pod in listed.pods}) == 5
    assert listed.version == str(api.store.version)


async def test_a_watch_has_changes_bookmarks_and_an_end(api: KubeApi, calls: PodCalls) -> None:
    version = (await calls.list_pods(SELECTOR)).version
    pod = await calls.create_pod(made("run-7"))
    await calls.delete_pod(pod.name, pod.uid, grace=1)
    async with calls.watch_pods(SELECTOR, version, 60) as events:
        api.watching.bookmark()
        await api.watching.until(1)
        api.watching.end()
        seen = [event async for event in events]
    assert [type(event) for event in seen[:2]] == [Seen, Seen]
    assert isinstance(seen[2], Removed)
    assert seen[-1] == Bookmark(str(api.store.version))


async def test_a_watch_from_a_version_that_is_forgotten_says_so(api: KubeApi, calls: PodCalls) -> None:
    version = (await calls.list_pods(SELECTOR)).version
    await calls.create_pod(made("run-7"))
    api.store.forget()
    with pytest.raises(Expired):
        async with calls.watch_pods(SELECTOR, version, 60) as events:
            await anext(events)


async def test_a_watch_that_is_cut_in_a_line_says_so(api: KubeApi, calls: PodCalls) -> None:
    version = (await calls.list_pods(SELECTOR)).version
    with pytest.raises(EngineUnreachable):
        async with calls.watch_pods(SELECTOR, version, 60) as events:
            await api.watching.until(1)
            api.watching.cut()
            await anext(events)


async def test_who_is_no_api_server_is_not_there(api: KubeApi) -> None:
    """`/readyz` says so: a manager that is sent to another server must not take a good one's place."""
    async with connected(Cluster(api.url, "gv")) as (calls, server):
        await calls.list_pods(SELECTOR)
        assert server.reachable
        for status, words in (
            *((status, "<html>") for status in (200, 302, 400, 401, 403, 404, 405, 500, 502, 503)),
            *((200, words) for words in ("{}", '{"kind": "PodList"}', '{"kind": "x"}', "[" * 100_000)),
            (200, '{"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [{}]}'),
        ):
            api.faults.words, api.faults.fail = words, (status, any_call)
            with capture_logs() as records, pytest.raises((EngineUnreachable, EngineRefused)):
                await calls.list_pods(SELECTOR)
            with pytest.raises((EngineUnreachable, EngineRefused)):
                async with calls.watch_pods(SELECTOR, "1", 60) as events:
                    await anext(events)
            assert (await log_or_refusal(calls), server.reachable) == (status == 200, False)
            assert [one["event"] for one in records] == ["api_server_unreachable"]
            api.faults.fail = None
            await calls.list_pods(SELECTOR)
            assert server.reachable


async def log_or_refusal(calls: PodCalls) -> bool:
    """Whether there was one: a log is any text, so that it says nothing of who gave it."""
    try:
        await calls.pod_log("run-7", "executor", 1, 1)
    except (EngineUnreachable, EngineRefused):
        return False
    return True


async def test_a_servers_no_is_the_servers(api: KubeApi) -> None:
    async with connected(Cluster(api.url, "gv")) as (calls, server):
        with pytest.raises(NotFound):
            await calls.get_pod("run-7")
        assert server.reachable


async def test_a_watch_that_is_opened_again_asks_first(api: KubeApi) -> None:
    """It may tell nothing for a minute, and a manager that is not ready gets nothing else to ask."""
    async with connected(Cluster(api.url, "gv")) as (calls, server):
        version = (await calls.list_pods(SELECTOR)).version
        with pytest.raises(EngineUnreachable):
            async with calls.watch_pods(SELECTOR, version, 60) as events:
                await api.watching.until(1)
                api.watching.cut()
                await anext(events)
        assert not server.reachable
        async with calls.watch_pods(SELECTOR, version, 60):
            assert server.reachable


async def test_a_watch_is_the_servers_when_it_tells_something(api: KubeApi) -> None:
    """A page in between makes a manager not ready; what it watched all along is enough to be it again."""
    async with connected(Cluster(api.url, "gv")) as (calls, server):
        version = (await calls.list_pods(SELECTOR)).version
        async with calls.watch_pods(SELECTOR, version, 60) as events:
            await api.watching.until(1)
            api.faults.fail = (502, any_call)
            with pytest.raises(Busy):
                await calls.get_pod("run-7")
            assert not server.reachable
            api.watching.bookmark()
            assert isinstance(await anext(events), Bookmark)
            assert server.reachable


@pytest.mark.parametrize("status", [200, 404, 409])
@pytest.mark.parametrize(
    "words", ["<html>", "null", "[]", "{}", '{"items": [{}]}', '{"status": "ok"}', '{"kind": "x"}']
)
async def test_an_answer_to_another_question_says_nothing_of_pods(
    api: KubeApi, calls: PodCalls, status: int, words: str
) -> None:
    """What stands between may answer in the server's place: that there is no Pod, or that one is deleted."""
    pod = await calls.create_pod(made("run-7"))
    api.faults.words, api.faults.fail = words, (status, any_call)
    for call in (
        calls.list_pods(SELECTOR),
        calls.get_pod(pod.name),
        calls.create_pod(made("run-8")),
        calls.patch_pod(pod.name, {"metadata": {"labels": {"by": "a"}}}),
        calls.delete_pod(pod.name, pod.uid, grace=1),
    ):
        with pytest.raises(Unreadable):
            await call
    assert api.store.get("pods", "gv", pod.name) is not None


async def test_a_server_that_is_busy_says_when_to_come_again(api: KubeApi, calls: PodCalls) -> None:
    api.faults.busy = 1
    with pytest.raises(Busy) as told:
        await calls.list_pods(SELECTOR)
    assert told.value.retry_after == 1.0
    assert (await calls.list_pods(SELECTOR)).pods == ()


async def test_what_cannot_be_connected_to_is_told_to_who_wants_to_know(api: KubeApi) -> None:
    lost: list[None] = []
    async with connected(Cluster(api.url, "gv")) as (pods, server):
        server.on_lost = lambda: lost.append(None)
        await pods.list_pods(SELECTOR)
        assert server.reachable
        await api.stop()
        for _ in range(2):
            with pytest.raises(NotConnected):
                await pods.list_pods(SELECTOR)
        assert (len(lost), server.reachable) == (1, False)


async def test_a_call_that_began_in_an_absence_tells_of_the_next_one(api: KubeApi) -> None:
    """Else nobody would ask again: the watch is open, and a quiet cluster says nothing for a minute."""
    lost: list[None] = []
    async with connected(Cluster(api.url, "gv")) as (pods, server):
        server.on_lost = lambda: lost.append(None)
        api.faults.hold = held = asyncio.Event()
        deleting = asyncio.create_task(pods.delete_pod("p", "u", 1))
        await until(lambda: ("DELETE", "/api/v1/namespaces/gv/pods/p") in api.faults.seen)
        assert not server.reachable
        api.faults.hold = None
        await pods.list_pods(SELECTOR)
        assert server.reachable
        api.faults.fail = (403, any_call)
        held.set()
        with pytest.raises(Unsigned):
            await deleting
        assert (len(lost), server.reachable) == (1, False)


async def test_a_lost_reply_may_have_been_a_create(api: KubeApi, calls: PodCalls) -> None:
    api.faults.lose_reply = lambda method, path: method == "POST"
    with pytest.raises(EngineUnreachable) as told:
        await calls.create_pod(made("run-7"))
    assert not isinstance(told.value, NotConnected)
    (pod,) = (await calls.list_pods(SELECTOR)).pods
    assert pod.labels["io.genvm.orchestrator.attempt"] == "a1"


async def test_a_call_that_takes_too_long_is_unknown(api: KubeApi) -> None:
    api.faults.hold = asyncio.Event()
    async with connected(Cluster(api.url, "gv")) as (_, server):
        with pytest.raises(EngineUnreachable, match="does not answer"):
            await server.send("GET", "/api/v1/namespaces/gv/pods", of_kind("PodList"), timeout=0.05)
        api.faults.hold.set()


async def test_a_token_that_was_replaced_is_read_again(api: KubeApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    api.grants = {"first": ("m", ALL)}
    async with connected(Cluster(api.url, "gv", token_file=file)) as (pods, server):
        await pods.list_pods(SELECTOR)
        file.write_text("second\n")
        api.grants = {"second": ("m", ALL)}
        await pods.list_pods(SELECTOR)
        assert server.absences == 0


async def test_a_token_that_is_not_taken_is_tried_twice_and_no_more(api: KubeApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret-token")
    api.grants = {"other": ("m", ALL)}
    async with connected(Cluster(api.url, "gv", token_file=file)) as (pods, server):
        server.reachable = True
        with pytest.raises(Unauthorized) as told:
            await pods.list_pods(SELECTOR)
        assert not server.reachable
    assert len(api.faults.seen) == 2
    assert "secret-token" not in str(told.value)


async def test_a_right_that_is_missing_is_named(api: KubeApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("t")
    api.grants = {"t": ("system:serviceaccount:gv:m", set())}
    async with connected(Cluster(api.url, "gv", token_file=file)) as (pods, _):
        with pytest.raises(EngineRefused, match="cannot create resource"):
            await pods.create_pod(made("run-7"))


async def test_the_clusters_own_authority_is_what_counts(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    stranger.cert_pem.write_to_path(tmp_path / "other.crt")
    api = KubeApi()
    await api.start(tls)
    try:
        async with connected(Cluster(api.url, "gv", ca_file=tmp_path / "ca.crt")) as (pods, _):
            assert (await pods.list_pods(SELECTOR)).pods == ()
        async with connected(Cluster(api.url, "gv", ca_file=tmp_path / "other.crt")) as (pods, _):
            with pytest.raises(NotConnected, match="certificate verify failed"):
                await pods.list_pods(SELECTOR)
    finally:
        await api.aclose()


def test_a_pod_finds_its_cluster(tmp_path: Path) -> None:
    (tmp_path / "namespace").write_text("gv\n")
    (tmp_path / "token").write_text("t")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    cluster = in_cluster(environment, tmp_path)
    assert (cluster.server, cluster.namespace, cluster.token()) == ("https://[fd00::1]:443", "gv", "t")


def test_no_cluster_and_no_account_are_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="not in a cluster"):
        in_cluster({}, tmp_path)
    with pytest.raises(EngineRefused, match="service account"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "h", "KUBERNETES_SERVICE_PORT": "1"}, tmp_path)
    with pytest.raises(EngineRefused, match="cannot be used as certificates"):
        Cluster("https://h", "gv", ca_file=tmp_path / "none").tls()


@given(st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"n")), max_size=8), st.data())
def test_lines_are_whole_wherever_chunks_end(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines) + b"cut off"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def read() -> list[bytes]:
        return [line async for line in whole_lines(chunks())]

    assert asyncio.run(read()) == [line for line in lines if line.strip()]


@pytest.mark.parametrize(
    "line", [b"<html>", b"[]", b"3", b'{"type": "ADDED"}', b'{"type": "ADDED", "object": 1}']
)
def test_a_line_that_is_no_event_breaks_the_watch(line: bytes) -> None:
    with pytest.raises(EngineUnreachable):
        event_of(line)


def test_an_event_of_a_later_kind_is_passed_over() -> None:
    assert event_of(b'{"type": "LATER", "object": {}}') is None

"""The API server of the suite: as much of one as a runtime meets, on loopback, without a cluster.

Its rules are those that a real one showed (tests/vectors/kubernetes-vectors.json); `test_kube_api` walks the
file. There is no kubelet in it: `kube_kubelet` moves Pods as recorded.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
from typing import Any

from aiohttp import web

import tests.kubernetes.kube_pods as pods
from tests.kubernetes import kube_reviews
from tests.kubernetes.kube_admission import admit, must_exist
from tests.kubernetes.kube_faults import Faults
from tests.kubernetes.kube_patches import patched
from tests.kubernetes.kube_reading import Listing
from tests.kubernetes.kube_statuses import Refusal, conflict, exists, forbidden, invalid, not_found, too_busy
from tests.kubernetes.kube_store import Store
from tests.kubernetes.kube_watching import Watching

Json = dict[str, Any]
KINDS = {
    "pods": "Pod",
    "configmaps": "ConfigMap",
    "secrets": "Secret",
    "leases": "Lease",
    "resourcequotas": "ResourceQuota",
    "limitranges": "LimitRange",
}
GROUPS = {"leases": "coordination.k8s.io"}
BODY_LIMIT = 3145728
_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>coordination\.k8s\.io)/v1)(?:/namespaces/(?P<space>[^/]+))?/(?P<resource>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?"
)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}


class Target:
    """What a request is about."""

    def __init__(self, request: web.Request) -> None:
        found = _PATH.fullmatch(request.path)
        if found is None or found["resource"] not in KINDS:
            raise Refusal(404, text="404 page not found\n")
        self.resource: str = found["resource"]
        self.namespace: str = found["space"] or ""
        self.name: str = found["name"] or ""
        self.sub: str = found["sub"] or ""
        self.kind = KINDS[self.resource]
        group = GROUPS.get(self.resource, "")
        self.full = f"{self.resource}.{group}" if group else self.resource
        self.full_kind = f"{self.kind}.{group}" if group else self.kind
        self.verb = _VERBS[request.method]
        if not self.name:
            self.verb = {"get": "list", "delete": "deletecollection"}.get(self.verb, self.verb)


class KubeApi:
    """`grants`: by token, whose it is and which verbs on which resources; without one everybody may all."""

    def __init__(self, namespace: str = "gv", level: str = "restricted") -> None:
        self.store = Store()
        self.faults = Faults()
        self.grants: dict[str, tuple[str, set[tuple[str, str]]]] = {}
        self.logs: dict[tuple[str, str], str] = {}
        self.watching = Watching(self.store, self.faults)
        self._runner: web.AppRunner | None = None
        # Bound and never listening, so that the port stays ours, and refuses, while the server is away.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]
        self.url = ""
        self.add_namespace(namespace, level)

    def add_namespace(self, name: str, level: str = "privileged") -> None:
        labels = {"pod-security.kubernetes.io/enforce": level}
        self.store.add("namespaces", "", {"metadata": {"name": name, "labels": labels}})

    async def start(self, tls: ssl.SSLContext | None = None) -> str:
        """Listen on a port of loopback, the same as before after a stop; its URL."""
        app = web.Application(client_max_size=2 * BODY_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._answered)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, reuse_port=True, ssl_context=tls
        )
        await site.start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        return self.url

    async def stop(self) -> None:
        if self.faults.hold is not None:
            self.faults.hold.set()
        if self._runner is not None:
            self.watching.cut()
            await self._runner.cleanup()
            self._runner = None

    async def aclose(self) -> None:
        await self.stop()
        self._place.close()

    async def restart(self) -> None:
        """As a server does: nothing from before its start is remembered."""
        await self.stop()
        self.store.forget()
        self.store.started = self.store.version
        await self.start()

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        self.faults.seen.append((request.method, request.path))
        if self.faults.hold is not None:
            await self.faults.hold.wait()
        try:
            self._disturb(request)
            if request.path == kube_reviews.PATH:
                return _json(201, kube_reviews.reviewed(await request.read(), self._granted(request)))
            target = Target(request)
            self._authorize(request, target)
            if request.query.get("watch") == "true":
                return await self.watching.serve(request, target.resource, target.namespace, target.kind)
            answer = await self._do(request, target)
        except Refusal as refusal:
            answer = _refused(refusal)
        if (lose := self.faults.lose_reply) is not None and lose(request.method, request.path):
            self.faults.lose_reply = None
            _break(request)
        return answer

    def _disturb(self, request: web.Request) -> None:
        if self.faults.away:
            _break(request)
        if self.faults.busy > 0:
            self.faults.busy -= 1
            raise too_busy()
        if self.faults.fail is not None and self.faults.fail[1](request.method, request.path):
            raise Refusal(self.faults.fail[0], text=self.faults.words)
        if request.query.get("timeout") == "1ms":
            raise Refusal(504, "Timeout: request did not complete within the allotted timeout", "Timeout")

    def _granted(self, request: web.Request) -> set[tuple[str, str]] | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.grants.get(token, ("", set()))[1] if self.grants else None

    def _authorize(self, request: web.Request, target: Target) -> None:
        if not self.grants:
            return
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.grants:
            raise Refusal(401, "Unauthorized")
        user, granted = self.grants.get(token, ("system:anonymous", set()))
        resource = f"{target.resource}/{target.sub}" if target.sub else target.resource
        if (target.verb, resource) in granted and target.namespace:
            return
        where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
        group = GROUPS.get(target.resource, "")
        why = f'User "{user}" cannot {target.verb} resource "{resource}" in API group "{group}" {where}'
        if target.name:
            raise forbidden(target.resource, target.name, why)
        raise Refusal(403, f"{target.resource} is forbidden: {why}", details={"kind": target.resource})

    async def _do(self, request: web.Request, target: Target) -> web.Response:
        match request.method, target.sub:
            case "GET", "log":
                self._get(target)
                return web.Response(text=self.logs.get((target.namespace, target.name), ""))
            case "GET", "":
                if target.name:
                    return _json(200, self._get(target))
                return _json(200, Listing(self.store, request.query, target.kind).of(target))
            case "POST", "":
                return await self._create(request, target)
            case "PUT", "":
                return await self._put(request, target)
            case "PATCH", "" | "status":
                return await self._patch(request, target)
            case "DELETE", "":
                return await self._delete(request, target)
            case _:
                raise Refusal(404, text="404 page not found\n")

    def _get(self, target: Target) -> Json:
        value = self.store.get(target.resource, target.namespace, target.name)
        if value is None:
            raise not_found(target.full, target.name)
        return value

    async def _create(self, request: web.Request, target: Target) -> web.Response:
        body = await _body(request, target)
        metadata = body.setdefault("metadata", {})
        if metadata.get("namespace", target.namespace) != target.namespace:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise Refusal(400, text)
        warnings = self._unknown(request, target, body)
        if "name" not in metadata:
            metadata["name"] = metadata.get("generateName", "") + "x7k2p"
        name = metadata["name"]
        self._namespace(target, name)
        self._valid(target, body)
        old = self.store.get(target.resource, target.namespace, name)
        if old is not None:
            raise exists(target.full, name, terminating="deletionTimestamp" in old["metadata"])
        body |= {"kind": target.kind}
        if request.query.get("dryRun") == "All":
            return _json(201, body | {"metadata": metadata | {"namespace": target.namespace}}, warnings)
        return _json(201, self.store.add(target.resource, target.namespace, body), warnings)

    def _unknown(self, request: web.Request, target: Target, body: Json) -> list[str]:
        if target.resource != "pods":
            return []
        pods.well_formed(body)
        unknown = pods.unknown_fields(body)
        if unknown and request.query.get("fieldValidation") == "Strict":
            errors = ", ".join(f'unknown field "{field}"' for field in unknown)
            start = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: '
            raise Refusal(400, start + errors)
        pods.drop_unknown(body)
        return [f'299 - "unknown field \\"{field}\\""' for field in unknown]

    def _namespace(self, target: Target, name: str) -> None:
        space = self.store.get("namespaces", "", target.namespace)
        if space is None:
            raise not_found("namespaces", target.namespace)
        if "deletionTimestamp" in space["metadata"]:
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {target.namespace} is being terminated",
                "field": "metadata.namespace",
            }
            why = (
                f"unable to create new content in namespace {target.namespace} because it is being terminated"
            )
            raise forbidden(target.resource, name, why, causes=[cause])

    def _valid(self, target: Target, body: Json) -> None:
        if target.resource == "pods":
            must_exist(target.namespace, body)
            pods.ask_for_limits(body)
            pods.validate(body)
            admit(self.store, target.namespace, body)
            pods.fill_in(body)
        if target.resource == "leases":
            pods.validate_lease(body)

    async def _put(self, request: web.Request, target: Target) -> web.Response:
        body = await _body(request, target)
        old = self.store.get(target.resource, target.namespace, target.name)
        if old is None:
            return await self._create(request, target)
        version = body["metadata"].get("resourceVersion")
        if version is None:
            why = "Invalid value: 0: must be specified for an update"
            field = "metadata.resourceVersion"
            raise invalid(target.full, target.name, field, "Invalid value", why)
        if version != old["metadata"]["resourceVersion"]:
            raise conflict(target.full, target.name)
        self._valid(target, body)
        body["metadata"] = old["metadata"] | body["metadata"]
        return _json(200, self.store.replace(target.resource, target.namespace, body | {"kind": target.kind}))

    async def _patch(self, request: web.Request, target: Target) -> web.Response:
        before = self._get(target)
        after = patched(before, request.content_type, await request.read())
        if after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]:
            raise conflict(target.full, target.name)
        if target.resource == "pods":
            if target.sub == "status":
                after = before | {"status": after["status"]}
            else:
                after["status"] = before["status"]
                pods.validate_change(before, after)
        value = self.store.replace(target.resource, target.namespace, after)
        held = bool(value["metadata"].get("finalizers"))
        if value["metadata"].get("deletionGracePeriodSeconds") == 0 and not held:
            self.store.remove(target.resource, target.namespace, target.name)
        return _json(200, value)

    async def _delete(self, request: web.Request, target: Target) -> web.Response:
        if not target.name:
            values = Listing(self.store, request.query, target.kind).of(target)
            for value in values["items"]:
                pods.delete(self.store, target.namespace, value["metadata"]["name"], {})
            return _json(200, values)
        self._get(target)
        order = json.loads(await request.read() or b"{}")
        if target.resource == "pods":
            return _json(200, pods.delete(self.store, target.namespace, target.name, order))
        gone = self.store.remove(target.resource, target.namespace, target.name)
        details = {"name": target.name, "kind": target.resource, "uid": gone["metadata"]["uid"]}
        return _json(200, {"kind": "Status", "status": "Success", "details": details})


async def _body(request: web.Request, target: Target) -> Json:
    raw = await request.read()
    if len(raw) > BODY_LIMIT:
        raise Refusal(413, f"Request entity too large: limit is {BODY_LIMIT}")
    if request.content_type not in ("application/json", "application/yaml"):
        text = (
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )
        raise Refusal(415, text)
    try:
        body = json.loads(raw)
    except ValueError as error:
        text = (
            f"the object provided is unrecognized (must be of type {target.kind}): couldn't get "
            f"version/kind; json parse error: "
            f"invalid character '{raw[1:2].decode()}' looking for beginning of object key "
            f"string ({raw.decode()})"
        )
        raise Refusal(400, text) from error
    if target.resource == "leases":
        pods.well_formed_lease(body)
    return dict(body)


def _json(status: int, value: Json, warnings: list[str] | None = None) -> web.Response:
    answer = web.json_response(value, status=status)
    for warning in warnings or []:
        answer.headers.add("Warning", warning)
    return answer


def _refused(refusal: Refusal) -> web.Response:
    headers = {} if refusal.retry_after is None else {"Retry-After": refusal.retry_after}
    if refusal.text is not None:
        return web.Response(status=refusal.code, text=refusal.text, headers=headers)
    body = refusal.body()
    if seconds := (body.get("details") or {}).get("retryAfterSeconds"):
        headers["Retry-After"] = str(seconds)
    return web.json_response(body, status=refusal.code, headers=headers)


def _break(request: web.Request) -> None:
    """Cut the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    raise asyncio.CancelledError

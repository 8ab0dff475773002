"""As much of an API server as Helm asks before it installs: version, kinds, and that nothing is there."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = {
    "v1": ["Pod", "Namespace", "ConfigMap", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["StatefulSet"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["Role", "RoleBinding"],
}


class Discovery(ThreadingHTTPServer):
    """Answers on a port of loopback until it is closed.

    `version` (v1.30.2) and `namespaces` (their labels by name; null: nobody may look) may change meanwhile,
    and so may `policies`, the NetworkPolicies that are there.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.version = ""
        self.namespaces: dict[str, dict[str, str]] | None = {}
        self.policies: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def kubeconfig(self) -> str:
        """As JSON, which is YAML."""
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server_port}"}}
        context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
        user = {"name": "u", "user": {}}
        parts = {"clusters": [cluster], "contexts": [context], "users": [user], "current-context": "c"}
        return json.dumps({"apiVersion": "v1", "kind": "Config", **parts})

    def answer(self, path: str) -> tuple[int, object]:
        if path == "/version":
            major, minor = self.version.lstrip("v").split(".")[:2]
            return 200, {"major": major, "minor": minor, "gitVersion": self.version}
        if path in _FIXED:
            return 200, _FIXED[path]
        if path.endswith("/networkpolicies"):
            found = [one for one in self.policies if f"/{one['metadata']['namespace']}/" in path]
            return 200, {"kind": "NetworkPolicyList", "apiVersion": "networking.k8s.io/v1", "items": found}
        name = path.removeprefix("/api/v1/namespaces/")
        if name != path and "/" not in name and self.namespaces is None:
            return 403, _status(403, "Forbidden", f'namespaces "{name}" is forbidden: User "u" cannot get it')
        if self.namespaces and name in self.namespaces:
            metadata = {"name": name, "labels": self.namespaces[name]}
            return 200, {"kind": "Namespace", "apiVersion": "v1", "metadata": metadata}
        return 404, _status(404, "NotFound", "not found")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Discovery)
        status, found = self.server.answer(self.path.split("?")[0])
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _status(code: int, reason: str, message: str) -> dict[str, object]:
    plain = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    return plain | {"code": code, "reason": reason, "message": message}


def _group(version: str) -> dict[str, object]:
    entry = {"groupVersion": version, "version": version.split("/")[1]}
    return {"name": version.split("/", maxsplit=1)[0], "versions": [entry], "preferredVersion": entry}


def _resources(version: str) -> dict[str, object]:
    listed = [
        {
            "name": kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s",
            "singularName": kind.lower(),
            "kind": kind,
            "namespaced": kind != "Namespace",
            "verbs": ["get", "list", "create", "patch"],
        }
        for kind in KINDS[version]
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}


def _strictness(version: str) -> dict[str, object]:
    """That the server checks fields itself, which is all that Helm looks for in these."""
    group, _, short = version.rpartition("/")
    paths = {
        f"/{kind}": {
            "patch": {
                "x-kubernetes-group-version-kind": {"group": group, "version": short, "kind": kind},
                "parameters": [{"name": "fieldValidation", "in": "query"}],
                "responses": {},
            }
        }
        for kind in KINDS[version]
    }
    return {"openapi": "3.0.0", "info": {"title": "kinds", "version": "1"}, "paths": paths}


def _place(version: str) -> str:
    return f"apis/{version}" if "/" in version else f"api/{version}"


_FIXED: dict[str, object] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(version) for version in KINDS if "/" in version],
    },
    "/openapi/v3": {
        "paths": {_place(version): {"serverRelativeURL": f"/openapi/v3/{version}"} for version in KINDS}
    },
    **{f"/openapi/v3/{version}": _strictness(version) for version in KINDS},
    **{f"/{_place(version)}": _resources(version) for version in KINDS},
}

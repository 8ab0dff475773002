"""What engine calls are called: a closed set, whatever the names of containers, images and Pods."""

from __future__ import annotations

import pytest

from orchestrator.runtime.docker.counted import operation_of as docker_operation
from orchestrator.runtime.kubernetes.http import operation_of as kubernetes_operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", "/v1.41/containers/create?name=genvm-x-run-1", "POST containers/create"),
        ("POST", "/v1.41/containers/4f1b/start", "POST containers/start"),
        ("POST", "/v1.41/containers/4f1b/kill?signal=SIGKILL", "POST containers/kill"),
        ("GET", "/v1.41/containers/start/json", "GET containers/json"),
        ("DELETE", "/v1.41/containers/4f1b?v=False", "DELETE containers"),
        ("GET", "/v1.41/images/registry.example/genvm-executor:v1/json", "GET images/json"),
        ("GET", "/v1.41/networks/genvm-modules", "GET networks"),
        ("GET", "/version", "GET version"),
        ("GET", "/v1.41/_ping", "GET _ping"),
        ("GET", "/v1.41/events?filters=x", "GET events"),
        ("GET", "/v1.41/secrets/run-17", "other"),
    ],
)
def test_of_the_container_engine(method: str, path: str, operation: str) -> None:
    assert docker_operation(method, path) == operation


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/api/v1/namespaces/gv/pods", "GET pods"),
        ("POST", "/api/v1/namespaces/gv/pods", "POST pods"),
        ("DELETE", "/api/v1/namespaces/gv/pods/gv-run-17", "DELETE pods"),
        ("GET", "/api/v1/namespaces/pods/pods/log/log", "GET pods/log"),
        ("GET", "/api/v1/namespaces/gv/pods/log", "GET pods"),
        ("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "GET other"),
    ],
)
def test_of_the_api_server(method: str, path: str, operation: str) -> None:
    assert kubernetes_operation(method, path) == operation

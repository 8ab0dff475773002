"""The engine that integration tests run on. Without one they fail: a skipped guarantee is none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import docker
import docker.errors
import pytest
from docker.utils import kwargs_from_env

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

BASE_IMAGE = "genvm-base:latest"


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """A low-level client of the container engine."""
    try:
        client = docker.APIClient(**kwargs_from_env(), version="auto", timeout=120)
    except docker.errors.DockerException as error:
        pytest.fail(f"no container engine answers ({error}); `make test` starts one", pytrace=False)
    yield client
    client.close()


@pytest.fixture(scope="session")
def base_image(engine: docker.APIClient) -> str:
    try:
        engine.inspect_image(BASE_IMAGE)  # type: ignore[no-untyped-call]
    except docker.errors.ImageNotFound:
        pytest.fail(f"image {BASE_IMAGE} is missing; `make images` builds it", pytrace=False)
    return BASE_IMAGE

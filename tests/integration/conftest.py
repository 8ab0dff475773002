"""What integration tests run on: a container engine, a database server. Without one they fail: a skipped
guarantee is none.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import docker
import docker.errors
import pytest
from docker.utils import kwargs_from_env

from tests.postgres import fresh_database, postgres_server

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

BASE_IMAGE = "genvm-base:latest"
NUMBERS = itertools.count()


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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run's own."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """An empty database on it."""
    with fresh_database(postgres_url, f"test_{next(NUMBERS)}") as url:
        yield url

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.helm.chart import HelmEngine, Rendered, combinations


@pytest.fixture(scope="session")
def helm() -> Iterator[HelmEngine]:
    with HelmEngine() as engine:
        yield engine


@pytest.fixture(scope="session")
def rendered(helm: HelmEngine) -> dict[str, Rendered]:
    """Every documented combination of values."""
    return {name: helm.render(values) for name, values in combinations().items()}

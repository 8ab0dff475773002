"""The commands are tried on whole managers, as `tests/integration/manager` makes them."""

import pytest

from tests.integration.manager.conftest import client, folder, make_client

__all__ = ["client", "folder", "make_client"]


@pytest.fixture(autouse=True)
def process_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENVM_RUNTIME", "process")

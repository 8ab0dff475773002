"""The compiled interpreter, for commands in processes of their own and for those in this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.embedded import PRECOMPILED_VARIABLE
from tests.precompiled import precompiled_for


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(precompiled_for(tmp_path_factory))


@pytest.fixture(scope="module")
def in_this_process(compiled: str) -> Iterator[None]:
    """Commands that run here find it as those in a shell do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PRECOMPILED_VARIABLE, compiled)
        yield

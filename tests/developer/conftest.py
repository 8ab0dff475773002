"""The compiled interpreter, for commands in processes of their own and for those in this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.embedded import METER_VARIABLE, PRECOMPILED_VARIABLE
from tests.precompiled import precompiled_for


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(precompiled_for(tmp_path_factory))


def found_by_executors(compiled: str) -> dict[str, str]:
    """What lets executors use it: it counts fuel, and without a word of that they would compile their own."""
    return {PRECOMPILED_VARIABLE: compiled, METER_VARIABLE: "1"}


@pytest.fixture(scope="module")
def in_this_process(compiled: str) -> Iterator[None]:
    """Commands that run here find it as those in a shell do."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in found_by_executors(compiled).items():
            patch.setenv(name, value)
        yield

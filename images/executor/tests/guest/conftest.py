"""Makes the guest library importable next to its stub host, and gives the native harness."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
# The stub first: the guest folder has the real module of that name, for WASI.
sys.path[:0] = [str(_HERE / "stub"), str(_HERE.parents[1] / "genvm_executor" / "guest")]

from .native import NativeHarness  # noqa: E402


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeHarness]:
    """Guests run with this interpreter, or with the one that GUEST_PYTHON names."""
    python = os.environ.get("GUEST_PYTHON", sys.executable)
    harness = NativeHarness(python, tmp_path_factory.mktemp("guest"))
    yield harness
    harness.close()


@pytest.fixture
def harness(native: NativeHarness) -> NativeHarness:
    """The session's harness with nothing added to its world."""
    native.world = {}
    return native

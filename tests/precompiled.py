"""The interpreter as executors outside an image find it, compiled once a session: it takes half a minute.

It counts fuel: tests compare what runs burn.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from genvm_executor.python.library_bytecode import bytecode_path
from genvm_executor.python.precompile import compiled_path, precompiled_directory
from genvm_executor.python.prepared import prepared_path
from orchestrator.embedded import METER_VARIABLE, PRECOMPILED_VARIABLE, prepared_executor


def precompiled_for(factory: pytest.TempPathFactory) -> Path:
    """The code cache: the one that the environment names when it fits, else the session's own. Blocking."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(METER_VARIABLE, "1")
        existing = precompiled_directory()
        if all(path(existing).is_file() for path in (compiled_path, bytecode_path, prepared_path)):
            return existing
        return Path(asyncio.run(prepared_executor(factory.getbasetemp()))[PRECOMPILED_VARIABLE])

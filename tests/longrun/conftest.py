"""What the short day shares with the rounds of chaos."""

from __future__ import annotations

from tests.chaos.conftest import folder, store
from tests.e2e.conftest import executor_image
from tests.integration.conftest import engine

__all__ = ["engine", "executor_image", "folder", "store"]

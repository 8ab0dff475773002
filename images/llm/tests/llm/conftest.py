"""A blocking call of the llm module on the event loop is a failure."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import structlog
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

from genvm_module import logs

# How long an example takes says something about the machine, not about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def no_blocking_on_the_loop() -> Iterator[BlockBuster]:
    with blockbuster_ctx("genvm_llm") as blockbuster:
        yield blockbuster


@pytest.fixture(autouse=True)
def logging_as_in_a_module() -> Iterator[None]:
    logs.set_up(stream=sys.stdout)
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()

"""Asking an LLM provider one question, with the llm module's own clients where they are installed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)

MODULE = "genvm_llm.check"


class ChecksUnavailable(Exception):
    """The provider clients are not installed."""


class CheckOne(Protocol):
    async def __call__(self, config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
        """The answer's text. An exception with `causes`, `fatal` and `ctx` says why there is none."""


def provider_check() -> CheckOne:
    """The installed clients, or what says that there are none."""
    try:
        found: CheckOne = importlib.import_module(MODULE).check_one
    except ImportError as missing:
        log.info("no_provider_clients", reason=str(missing))
        return _unavailable
    return found


async def _unavailable(config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
    raise ChecksUnavailable(
        "this manager has no provider clients: the package genvm_llm or what it needs is not installed"
    )

"""Managers' Pods, of managers that come one after another, against the suite's own API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orchestrator.runtime.kubernetes.own_pods import OwnPods
from orchestrator.runtime.kubernetes.settings import WatchSettings
from tests.kubernetes.kube_bench import SETTINGS, Bench, Pauses

NOW = datetime(2026, 11, 28, 11, 59, 0, tzinfo=UTC)
"""A minute before the deadline of the specs."""


class Managers:
    """Managers with the same id, one after another."""

    def __init__(self, at: Bench) -> None:
        self.at = at
        self.pauses = Pauses()
        self.all: list[OwnPods] = []

    def one(
        self,
        manager_id: str = "m1",
        pause: Callable[[float], Awaitable[None]] | None = None,
        **settings_of: Any,
    ) -> OwnPods:
        settings = replace(SETTINGS, manager_id=manager_id, **settings_of)
        watch = WatchSettings(silence=3600.0)
        pods = OwnPods(settings, self.at.calls, watch, pause=pause or self.pauses, now=lambda: NOW)
        pods.open()
        self.all.append(pods)
        return pods


@asynccontextmanager
async def managers_at(at: Bench) -> AsyncIterator[Managers]:
    several = Managers(at)
    yield several
    for pods in several.all:
        await pods.aclose()

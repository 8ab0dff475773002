"""`gc`: remove what belongs to no run, through the running manager or, when there is none, in its place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.journal_location import journal_url
from orchestrator.kits import kit_of
from orchestrator.kits.kit import Found
from orchestrator.modules.record import ModuleRecord
from orchestrator.operations.failures import ManagerAway, ManagerRefused, NothingToRead
from orchestrator.operations.presentation import table
from orchestrator.operations.reasons import Reason, instance_of, reason_of
from orchestrator.operations.source import OR_A_MANAGER, ManagerSource, manager_id
from orchestrator.settings import Settings
from orchestrator.state_dir import owned_state_dir
from orchestrator.store.codes import DIRECTORY as CODES
from orchestrator.store.codes import CodeFiles
from orchestrator.store.journal import open_for_reading
from orchestrator.store.port import StoreFailure
from orchestrator.views.overview import Json

FOR_A_DRY_RUN: Final = (
    " or --config: a dry run looks at this machine's engine itself, whichever manager answers, and knows the"
    " manager's instances by its state directory"
)


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed or, in a dry run, would be: names and reasons. `through` says who judged."""

    removed: Sequence[tuple[str, str]]
    dry_run: bool
    through: str

    def as_json(self) -> Json:
        return {
            "dry_run": self.dry_run,
            "through": self.through,
            "removed": [{"name": name, "reason": reason} for name, reason in self.removed],
            "reasons": Counter(reason for _, reason in self.removed),
        }

    def as_text(self) -> str:
        verb = "would be removed" if self.dry_run else "removed"
        counts = Counter(reason for _, reason in self.removed)
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
        summary = f"{len(self.removed)} {verb}{f' ({told})' if told else ''}, through the {self.through}"
        return f"{table(('NAME', 'REASON'), self.removed)}\n{summary}" if self.removed else summary


async def collect(settings: Settings, manager: str | None, *, dry_run: bool) -> Collected:
    """Ask the manager at the URL `manager`; if it is away, or nobody is to be asked, do it here.

    Raises OperationFailure, RuntimeFailure, and StateDirUnusable while a manager that was not asked, or did
    not answer, holds the state directory.
    """
    if manager is not None:
        source = ManagerSource(manager)
        try:
            return await (_survey_beside(settings, source) if dry_run else _through(source))
        except ManagerAway:
            # Whoever runs without answering still holds the lock.
            pass
    return await _in_its_place(settings, dry_run=dry_run)


async def _through(source: ManagerSource) -> Collected:
    answer = await source.ask("POST", "/executions/gc", {})
    removed = [(one["name"], one["reason"]) for one in answer["removed"]]
    return Collected(removed, dry_run=False, through=source.where)


async def _survey_beside(settings: Settings, source: ManagerSource) -> Collected:
    """What is there is listed first: a run that begins meanwhile is then in neither list.

    Instances without a run's name are ready ones, which only the manager itself can judge.
    """
    if (namespace := await source.sees()) is not None:
        raise ManagerRefused(
            f"the token sees only the runs of namespace {namespace}: what belongs to no run is said to an "
            "operator's token only"
        )
    owner = await asyncio.to_thread(manager_id, settings.state_dir, otherwise=FOR_A_DRY_RUN)
    found = await _survey(settings, owner)
    live = {instance_of(run["id"], run["instance"]) for run in await source.runs(ended=False)}
    known = {run["id"] for run in await source.runs(ended=True)}
    unused = await _unused_code(settings)
    candidates = [one for one in found if one.execution is not None or one.name.startswith("run-")]
    return Collected([*_judged(candidates, live, known), *unused], dry_run=True, through=source.where)


async def _in_its_place(settings: Settings, *, dry_run: bool) -> Collected:
    await asyncio.to_thread(manager_id, settings.state_dir, otherwise=OR_A_MANAGER)
    with ExitStack() as held:
        owner = await asyncio.to_thread(held.enter_context, owned_state_dir(settings.state_dir))
        keep, known = await _instances_and_runs(settings, owner)
        keep |= await asyncio.to_thread(_module_instances, settings.state_dir)
        if dry_run:
            unused = await _unused_code(settings)
            removed = [*_judged(await _survey(settings, owner), keep, known), *unused]
        else:
            names = await _sweep(settings, owner, keep)
            names += await asyncio.to_thread(CodeFiles(settings.state_dir / CODES).collect)
            removed = [(name, reason_of(name, known.__contains__).value) for name in names]
    return Collected(removed, dry_run=dry_run, through=f"journal of {settings.state_dir}")


def _module_instances(state_dir: Path) -> frozenset[str]:
    """Modules that a manager has left to the one that comes after it. Blocking."""
    entries = ModuleRecord(state_dir).load().values()
    return frozenset().union(*(entry.names for entry in entries))


def _judged(found: Sequence[Found], keep: Collection[str], known: Collection[int]) -> list[tuple[str, str]]:
    return [
        (one.name, reason_of(one.name, known.__contains__).value) for one in found if one.name not in keep
    ]


async def _instances_and_runs(settings: Settings, owner: str) -> tuple[frozenset[str], set[int]]:
    """The instances of runs that have not ended, and all runs.

    Raises NothingToRead: without a journal nobody knows what belongs to a run.
    """
    keep, known = set(), set()
    try:
        reader = await open_for_reading(journal_url(settings), owner)
        try:
            async for head in reader.heads():
                known.add(head.id)
                if head.cause is None:
                    keep.add(instance_of(head.id, head.instance))
        finally:
            await reader.aclose()
    except StoreFailure as failure:
        raise NothingToRead(f"{failure}; nothing was removed") from failure
    return frozenset(keep), known


async def _survey(settings: Settings, owner: str) -> Sequence[Found]:
    return await asyncio.to_thread(kit_of(settings).survey, settings, owner)


async def _unused_code(settings: Settings) -> list[tuple[str, str]]:
    files = await asyncio.to_thread(CodeFiles(settings.state_dir / CODES).unused)
    return [(path.name, Reason.UNUSED_CODE.value) for path in files]


async def _sweep(settings: Settings, owner: str, keep: frozenset[str]) -> list[str]:
    runtime = kit_of(settings).open_to_sweep(settings, owner)
    try:
        return await runtime.sweep(keep)
    finally:
        await runtime.aclose()

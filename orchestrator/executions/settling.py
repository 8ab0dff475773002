"""A pattern of versions becomes a version before a run is written down."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from orchestrator.aside import aside
from orchestrator.contracts.versions import NoCompatibleVersion
from orchestrator.executions.request import RunRequest, Selector
from orchestrator.executions.supervisor import VersionChooser
from orchestrator.executions.written import Written, written


async def settled(
    request: RunRequest, accepted: Written, choose_version: VersionChooser
) -> tuple[RunRequest, Written]:
    """With the version that its pattern matches now: a pattern is never written down to be tried again.

    One that matches nothing stays, and its run fails. Raises BadSelector.
    """
    if not request.call.selector.is_pattern:
        return request, accepted
    try:
        version = choose_version(request)
    except NoCompatibleVersion:
        return request, accepted
    request = replace(request, call=replace(request.call, selector=Selector(version=version.name)))
    return request, await aside(request.size, partial(written, request))

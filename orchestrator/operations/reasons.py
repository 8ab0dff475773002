"""Why an instance is left over. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from orchestrator.store.codes import NAME as CODE

_RUN_NAME = re.compile(r"run-([0-9]{1,20})", re.ASCII)


class Reason(StrEnum):
    """Why something is left over: a closed set."""

    RUN_ENDED = "run_ended"
    RUN_UNKNOWN = "run_unknown"
    NO_RUN = "no_run"
    UNUSED_CODE = "unused_code"


def reason_of(name: str, knows: Callable[[int], bool]) -> Reason:
    """Why the instance `name` is left over; `knows` says whether a run is in the journal."""
    if name.startswith(CODE):
        return Reason.UNUSED_CODE
    run = _RUN_NAME.fullmatch(name)
    if run is None:
        return Reason.NO_RUN
    return Reason.RUN_ENDED if knows(int(run[1])) else Reason.RUN_UNKNOWN


def instance_of(run_id: int, instance: str | None) -> str:
    """The name of a run's instance; before it has one, the name that it is going to have."""
    return instance or f"run-{run_id}"

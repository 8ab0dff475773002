"""From the engine's words about an ended container to `InstanceExit`. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.runtime.port import InstanceExit, Loss

_SIGNALS = 64
_KILLED = 128 + 9

_TERMINATED = 15
_LEFT_BEHIND = 255

GONE = InstanceExit(None, None, False, "the container is gone, removed by somebody else", Loss.CONTAINER_LOST)
CLEAN = InstanceExit(0, None, False)
DESTROYED = InstanceExit(None, 9, False, "destroyed while it ran")


def has_ended(inspected: Mapping[str, object]) -> bool:
    """Whether *inspect* describes a container that ran and does not run any more."""
    return _state(inspected).get("Status") in ("exited", "dead")


def exit_of(inspected: Mapping[str, object], *, oom_event: bool = False, tail: str = "") -> InstanceExit:
    """How an ended container ended, from *inspect* and from whether an `oom` event was seen.

    The init in every container turns the death of the program by signal *n* into code 128+*n*; a program
    that chooses such a code itself cannot be told from one that was killed. The engine's flag says that
    *some* process met the memory limit, which is no cause of a clean exit, hence the look at the code.
    `tail` is the end of the container's own output.
    """
    state = _state(inspected)
    code = state.get("ExitCode")
    if not isinstance(code, int):
        return InstanceExit(None, None, False, "the engine does not say how it ended")
    error = state.get("Error")
    detail = "; ".join(part for part in (error if isinstance(error, str) else "", tail) if part)
    oom = (state.get("OOMKilled") is True or oom_event) and code != 0
    if 128 < code <= 128 + _SIGNALS:
        return InstanceExit(None, code - 128, oom, detail)
    return InstanceExit(code, None, oom, detail)


def may_be_the_engine(ended: InstanceExit) -> bool:
    """Whether an engine that stops or starts ends containers like this: it sends SIGTERM, then SIGKILL, and
    notes code 255 for one that it finds dead.
    """
    by_signal = ended.signal in (_TERMINATED, _KILLED - 128) and not ended.oom_killed
    return by_signal or ended.exit_code == _LEFT_BEHIND


def lost_with_the_engine(ended: InstanceExit) -> InstanceExit:
    """The same end, as the doing of an engine that was restarted."""
    return replace(
        ended, detail="the container was ended while the engine was away", loss=Loss.ENGINE_RESTART
    )


def may_lack_oom(ended: InstanceExit) -> bool:
    """Whether the engine might still learn that memory was the reason: it notices after the exit."""
    return ended.signal == _KILLED - 128 and not ended.oom_killed


def _state(inspected: Mapping[str, object]) -> Mapping[str, object]:
    state = inspected.get("State")
    return state if isinstance(state, Mapping) else {}

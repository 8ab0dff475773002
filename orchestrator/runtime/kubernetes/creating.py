"""Creating a Pod once, whatever becomes of the answers (spec: Kubernetes, section 4).

Names are fixed, so that a repetition collides with its own Pod instead of making a second one; the label
`attempt` says whether it is its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from orchestrator.runtime.kubernetes.calls import Calls
from orchestrator.runtime.kubernetes.failures import AlreadyExists, Busy, Conflict, NoRoom, NotFound
from orchestrator.runtime.kubernetes.pods import Pod
from orchestrator.runtime.port import EngineRefused, EngineUnreachable

PAUSE_S = 0.3
TRIES = 4
"""With answers that may be others a moment later. For room there is no such bound but the caller's time."""
ROOM_PAUSE_S = 1.0

Pause = Callable[[float], Awaitable[None]]


async def create_once(
    calls: Calls,
    manifest: Mapping[str, object],
    *,
    name: str,
    ours: Mapping[str, str],
    attempt: tuple[str, str],
    on_no_room: Callable[[str], None] = lambda why: None,
    pause: Pause = asyncio.sleep,
) -> Pod:
    """The Pod `name`, made by this call. Waits for room for as long as its caller does.

    `ours`: labels of this manager's Pods: one of an earlier start that is in the way is removed. `attempt`:
    the label, with its value, that only this start has. Raises EngineRefused; EngineUnreachable, after which
    the Pod may exist or come to.
    """
    left = TRIES
    while True:
        try:
            return await calls.create_pod(manifest)
        except NoRoom as full:
            on_no_room(str(full))
            await pause(ROOM_PAUSE_S)
            continue
        except AlreadyExists as taken:
            if (pod := await _own(calls, name, ours, attempt, taken)) is not None:
                return pod
            failure: Exception = EngineUnreachable(f"an earlier Pod {name} is in the way")
            wait = PAUSE_S
        except (EngineUnreachable, Conflict) as unknown:
            failure, wait = unknown, _wait_after(unknown)
        left -= 1
        if not left:
            raise failure
        await pause(wait)


async def _own(
    calls: Calls, name: str, ours: Mapping[str, str], attempt: tuple[str, str], taken: AlreadyExists
) -> Pod | None:
    """The Pod behind a name that is taken, if this start made it; null when the name may be free soon."""
    try:
        pod = await calls.get_pod(name)
    except (NotFound, EngineUnreachable):
        return None
    key, value = attempt
    if pod.labels.get(key) == value and not pod.deleting:
        return pod
    if not ours.items() <= pod.labels.items():
        raise EngineRefused(f"the Pod name {name} is taken by somebody else's") from taken
    if not pod.deleting:
        try:
            await calls.delete_pod(name, pod.uid, grace=1)
        except (NotFound, Conflict, EngineUnreachable):
            return None
    return None


def _wait_after(failure: Exception) -> float:
    asked = failure.retry_after if isinstance(failure, Busy) else None
    return max(asked or 0.0, PAUSE_S)

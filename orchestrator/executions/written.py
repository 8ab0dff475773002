"""A request as the journal keeps it until its run is over. Pure.

It is bulky: code alone can be 64 MiB. What a run is known by while it waits for its turn is among its terms.
The call's fields, the manners' and the request's own lie side by side in one map.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from genvm_wire import calldata
from orchestrator.executions.plain import from_plain, to_plain
from orchestrator.executions.request import Call, Manners, RunRequest, Selector

DIGEST_BYTES = 16
# Fields that the row has columns for, or that are records of their own.
ELSEWHERE = ("call", "manners", "idempotency_key", "namespace", "size")


@dataclass(frozen=True, slots=True)
class Written:
    """`data` is calldata. Equal requests have equal digests, whatever their idempotency keys are."""

    data: bytes
    digest: bytes


def written(request: RunRequest) -> Written:
    data = calldata.encode(request_map(request))
    return Written(data, digest_of(data))


def digest_of(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def request_map(request: RunRequest) -> dict[str, Any]:
    selector = request.call.selector
    return {
        **to_plain(request, *ELSEWHERE),
        **to_plain(request.call, "selector"),
        **to_plain(request.manners),
        "major": selector.major,
        "selector": selector.version,
    }


def request_from(data: bytes, key: str | None) -> RunRequest:
    """The request that an unfinished run was accepted with; `key` is its idempotency key."""
    saved: Any = calldata.decode(data)
    selector = Selector(saved.pop("major"), saved.pop("selector"))
    return from_plain(
        RunRequest,
        saved,
        call=from_plain(Call, saved, selector=selector),
        manners=from_plain(Manners, saved),
        idempotency_key=key,
        size=len(data),
    )

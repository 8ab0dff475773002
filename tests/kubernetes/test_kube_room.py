"""Which waits the end of another Pod would end: by the cluster's own words."""

from __future__ import annotations

import pytest

from orchestrator.runtime.kubernetes.room import Room

OTHERS = [
    'pods "run-7" is forbidden: exceeded quota: rq, requested: pods=1, used: pods=4, limited: pods=4',
    "0/3 nodes are available: 3 Insufficient cpu.",
    "0/3 nodes are available: 1 Too many pods, 2 node(s) had untolerated taint(s).",
    "the node refused the Pod: OutOfmemory",
]
NOBODYS = [
    "429: Too many requests, please try again later.",
    "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    "the node refused the Pod: NodeShutdown",
    "no node has room",
]


@pytest.mark.parametrize(("why", "helps"), [(why, why in OTHERS) for why in OTHERS + NOBODYS])
def test_a_start_waits_for_what_others_have_or_for_something_else(why: str, helps: bool) -> None:
    room = Room()
    with room.wait("run-7") as say:
        say(why)
        assert (room.why, room.waiting) == (why, {"run-7"} if helps else frozenset())
    assert (room.why, room.waiting) == (None, frozenset())

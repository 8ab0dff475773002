"""A short round of every fuzz target; the long ones are `python -m tests.fuzz`."""

from __future__ import annotations

import os

from tests.fuzz import run_bodies, socket_frames

INPUTS = int(os.environ.get("GENVM_TEST_FUZZ_INPUTS", "3000"))
SEED = 20_260_806


async def test_every_frame_on_the_manager_socket_is_answered_once_and_nothing_is_left_behind() -> None:
    report = await socket_frames.fuzz(INPUTS, SEED)
    assert report.inputs == INPUTS
    assert set(report.answers) >= {f"error {code}" for code in (1, 2, 3, 4, 5)} | {
        f"method {method}" for method in socket_frames.CLIENT_METHODS
    }


async def test_every_run_body_is_taken_or_refused_with_a_reason() -> None:
    report = await run_bodies.fuzz(INPUTS, SEED)
    assert report.inputs == INPUTS
    assert set(report.answers) >= {"taken", "BadBody", "WrongShape", "http 500"}

"""A short round of every fuzz target; the long ones are `python -m tests.fuzz`."""

from __future__ import annotations

import os

from tests.fuzz import host_names, json_bodies, prompts, run_bodies, selectors, socket_frames

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


async def test_every_json_body_is_what_it_says_or_refused_and_at_once() -> None:
    report = await json_bodies.fuzz(INPUTS, SEED)
    assert set(report.answers) == {"refused", "wrong", "right/wrong"}


async def test_every_version_selector_is_served_or_refused_and_at_once() -> None:
    report = await selectors.fuzz(INPUTS, SEED)
    assert set(report.answers) == {"chosen", "NoCompatibleVersion", "BadSelector"}


async def test_every_node_s_address_is_one_or_refused_and_at_once() -> None:
    report = await host_names.fuzz(INPUTS, SEED)
    assert set(report.answers) == {"tcp", "unix", "BadHostAddress", "HostRefused"}


async def test_every_prompt_is_filtered_at_once() -> None:
    report = await prompts.fuzz(INPUTS // 5, SEED)
    assert set(report.answers) == {"changed", "kept"}

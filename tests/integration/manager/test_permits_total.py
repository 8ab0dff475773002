"""A total of permits that is less than the dearest run takes (manager-api 3.13)."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from orchestrator.settings import Settings
from tests.integration.manager.conftest import MakeClient, listening_node

PRICES = {"permits_per_sync": 4, "permits_per_nondet": 8}


@pytest.mark.parametrize(("asked", "prices", "least"), [(1, {}, 2), (1, PRICES, 8), (7, PRICES, 8)])
async def test_it_is_raised_with_a_word_in_the_log_and_runs_run(
    make_client: MakeClient, asked: int, prices: dict[str, int], least: int
) -> None:
    with capture_logs() as records:
        client = await make_client(permits=asked, **prices)
    (word,) = [one for one in records if one["event"].startswith("permits_")]
    assert (word["event"], word["log_level"]) == ("permits_raised", "warning")
    assert (word["asked"], word["permits"]) == (asked, least)
    assert (await client.ask("GET", "/status"))[1]["permits"]["max"] == least
    async with listening_node(f"unix://{client.folder}/sock_1"):
        run_id = await client.run(client.encoded("B3"))
        assert (await client.finished(run_id))["cause"] == "exited"


@pytest.mark.parametrize("asked", [0, -1])
def test_one_that_no_run_could_have_is_refused(asked: int) -> None:
    with pytest.raises(ValidationError, match="permits"):
        Settings(permits=asked)


async def test_setting_it_too_low_later_changes_nothing_and_the_answer_says_why(
    make_client: MakeClient,
) -> None:
    client = await make_client(permits=16, **PRICES)
    status, answer = await client.ask("POST", "/permits", json={"permits": 3})
    assert (status, answer["result"], answer["permits"]) == (200, "permits_set", 16)
    assert answer["note"] == "unchanged: the dearest run takes 8 permits: at least 8 permits are needed"
    assert await client.ask("POST", "/permits", json={"permits": 8}) == (
        200,
        {"result": "permits_set", "permits": 8},
    )


@pytest.mark.parametrize(("permits", "warned"), [(2, True), (8, False)])
async def test_a_total_that_only_the_newest_clients_do_not_fit_in_is_named(
    make_client: MakeClient, permits: int, warned: bool
) -> None:
    with capture_logs() as records:
        await make_client(permits=permits)
    assert ("permits_below_newest" in {one["event"] for one in records}) is warned

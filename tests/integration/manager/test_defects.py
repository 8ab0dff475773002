"""Whatever goes wrong with what a run brought, its supervisor ends it and nothing of it stays behind."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from orchestrator.contracts.versions import Manifest
from orchestrator.modules.service import ModuleService
from tests.integration.manager.conftest import Client, listening_node

DEFECTS = [UnicodeError("label too long"), ValueError("x"), RecursionError(), MemoryError(), OverflowError()]


def raising(defect: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise defect

    return fail


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[EventDict]]:
    """Tracebacks are not made readable, for which source files are read, on the loop."""
    with capture_logs() as lines:
        yield lines


async def nothing_left(client: Client) -> None:
    await client.until(lambda: client.manager.executions.statistics().supervised == 0)
    assert client.manager.executions.live() == []
    assert client.manager.executions.statistics().permits.in_use == 0


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: type(defect).__name__)
async def test_a_defect_before_the_start_ends_the_run(
    client: Client, monkeypatch: pytest.MonkeyPatch, defect: Exception
) -> None:
    monkeypatch.setattr(Manifest, "by_major", raising(defect))
    status = await client.finished(await client.run(client.body()))
    assert (status["cause"], status["error"]) == ("internal", f"defect: {type(defect).__name__}")
    await nothing_left(client)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: type(defect).__name__)
async def test_a_defect_while_the_last_words_are_gathered_ends_the_run(
    client: Client, monkeypatch: pytest.MonkeyPatch, defect: Exception
) -> None:
    monkeypatch.setattr(ModuleService, "release", raising(defect))
    async with listening_node(f"unix://{client.folder}/sock_1"):
        status = await client.finished(await client.run(client.body()))
    assert (status["cause"], status["error"]) == ("internal", f"defect: {type(defect).__name__}")
    await nothing_left(client)


async def test_an_outcome_that_no_database_takes_becomes_a_plain_one(client: Client) -> None:
    async with listening_node(f"unix://{client.folder}/sock_1"):
        run_id = await client.run(client.body({"print": "x", "hold": None}))
        run = client.manager.executions.find(run_id)
        assert run is not None
        await client.until(lambda: run.output.stdout.total > 0)
        run.output.stdout.total = 2**70
        client.let_go(run.execution.instance)
        status = await client.finished(run_id)
    assert (status["cause"], status["error"], status["stdout"]) == ("internal", "defect: RowUnstorable", "")
    await nothing_left(client)


async def test_a_name_that_cannot_be_encoded_is_an_unreachable_node(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", raising(UnicodeError("label empty or too long")))
    status = await client.finished(await client.run(client.body(host="some-name:4000")))
    assert (status["cause"], "label empty or too long" in status["error"]) == ("upstream", True)
    await nothing_left(client)


async def test_a_run_that_ended_so_leaves_the_next_one_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(ModuleService, "release", raising(UnicodeError("x")))
        run_id = await client.run(client.body())
        await client.finished(run_id)
    async with listening_node(f"unix://{client.folder}/sock_2"):
        assert (await client.finished(await client.run(client.body())))["cause"] == "exited"

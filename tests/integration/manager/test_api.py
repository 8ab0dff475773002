"""The API's generic rules, `/status` and `/permits` (manager-api 1.3, 3.1, 3.13)."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.executions.ended import EndedRun
from tests.integration.manager.conftest import Client, MakeClient


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/nowhere"),
        ("POST", "/status"),
        ("PUT", "/genvm/1"),
        ("GET", "/genvm/abc"),
        ("GET", "/genvm/-1"),
        ("GET", "/genvm/+5"),
        ("GET", f"/genvm/{2**64}"),
        ("DELETE", "/genvm/1.0"),
    ],
)
async def test_unknown_paths_methods_and_ids_are_not_found(client: Client, method: str, path: str) -> None:
    assert await client.ask(method, path) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b"[]", 500),
        (b"null", 500),
        (b"{}", 500),
    ],
)
async def test_a_body_that_is_no_run_is_refused_as_json(client: Client, body: bytes, status: int) -> None:
    answered, answer = await client.ask("POST", "/genvm/run", data=body)
    assert answered == status
    assert list(answer) == ["error"]


@pytest.mark.parametrize("key", ["x" * 256, "\u00e9", "a\tb"])
async def test_an_idempotency_key_is_short_and_printable(client: Client, key: str) -> None:
    answered, answer = await client.ask(
        "POST", "/genvm/run", json=client.body(), headers={"Idempotency-Key": key}
    )
    assert (answered, "Idempotency-Key" in answer["error"]) == (400, True)


async def test_a_content_type_is_not_asked_for(client: Client) -> None:
    answered, answer = await client.ask(
        "POST", "/permits", data=b'{"permits": 9}', headers={"Content-Type": "text/plain"}
    )
    assert (answered, answer) == (200, {"result": "permits_set", "permits": 9})


async def test_an_oversize_body_is_refused_as_json(make_client: MakeClient) -> None:
    client = await make_client(max_body_bytes=1024 * 1024)
    answered, answer = await client.ask("POST", "/genvm/run", data=io.BytesIO(bytes(2 * 1024 * 1024)))
    assert answered == 413
    assert "larger" in answer["error"]


async def test_the_status_of_an_unknown_run_is_null(client: Client) -> None:
    assert await client.ask("GET", "/genvm/99") == (200, {"genvm_id": 99, "status": None})


async def test_a_bad_wait_timeout_is_a_bad_query(client: Client) -> None:
    answered, answer = await client.ask("DELETE", "/genvm/1", params={"wait_timeout_ms": "soon"})
    assert (answered, "wait_timeout_ms" in answer["error"]) == (400, True)


async def test_status_has_every_generation_s_keys(client: Client) -> None:
    answered, status = await client.ask("GET", "/status")
    assert answered == 200
    assert (status["llm_module"], status["web_module"]) == ("stopped", "stopped")
    assert status["permits"] == {"current": 8, "max": 8, "per_sync_run": 4, "per_nondet_run": 8}
    assert status["executions"] == {}
    assert status["queue"] == {"depth": 0, "waiting_for": None}


async def test_a_run_in_status_has_the_documented_keys(client: Client) -> None:
    run_id = await client.run(client.body(host="127.0.0.1:9"))
    run = client.manager.executions.find(run_id)
    assert run is not None
    await run.released
    entry = (await client.ask("GET", "/status"))[1]["executions"][str(run_id)]
    assert entry["has_result"] is True
    assert entry["result"]["finished_at"].endswith("+00:00")
    assert entry["version"] == "v0.2.7"
    assert entry["started_at"] < entry["strict_deadline"]


async def test_a_large_status_comes_as_gzip_to_who_takes_it_and_is_the_same(client: Client) -> None:
    begun = datetime.now(UTC)
    for number in range(1, 501):
        client.manager.executions._known.add_ended(
            EndedRun.of(
                id=number, state="finished", version="v0.2.7", cause="exited", accepted_at=begun,
                started_at=begun, deadline=begun, finished_at=begun, namespace="default", key=None, size=1,
            )
        )  # fmt: skip

    async def asked(codings: str) -> tuple[str | None, Any]:
        """The coding in which it came, and the runs in the body: what else it says may change meanwhile."""
        async with client.session.get("/status", headers={"Accept-Encoding": codings}) as response:
            assert response.headers["Vary"] == "Accept-Encoding"
            told = json.loads(await response.read())
            return response.headers.get("Content-Encoding"), told["executions"]

    coding, plain = await asked("identity")
    assert coding is None and len(plain) == 500
    assert await asked("gzip, deflate") == ("gzip", plain)
    assert await asked("gzip;q=0") == (None, plain)
    client.manager.executions.mark_fetched(7)
    coding, body = await asked("gzip")
    assert coding == "gzip" and "7" not in body


async def test_permits_get_tells_the_maximum(client: Client) -> None:
    assert await client.ask("GET", "/permits") == (200, {"permits": 8})


@pytest.mark.parametrize("value", [None, -1, 1.5, "4", True, 2**64])
async def test_permits_that_are_no_number_are_refused(client: Client, value: Any) -> None:
    assert await client.ask("POST", "/permits", json={"permits": value}) == (
        500,
        {"error": "invalid permits"},
    )


async def test_too_few_permits_change_nothing_and_answer_the_effective_maximum(client: Client) -> None:
    """W7: 8, then a refused 1, then still 8."""
    assert (await client.ask("POST", "/permits", json={"permits": 1}))[1]["permits"] == 8
    assert (await client.ask("GET", "/permits"))[1] == {"permits": 8}


async def test_health_and_readiness(client: Client) -> None:
    assert await client.ask("GET", "/healthz") == (200, {"status": "ok"})
    assert await client.ask("GET", "/readyz") == (200, {"ready": True})

"""The OpenAPI document and its page are complete, and the manager answers as they say."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

import pytest

from orchestrator.api.description import NOTHING_SAID, description_of
from tests.integration.manager.conftest import Client, MakeClient, folder, make_client

__all__ = ["folder", "make_client"]

# A refusal is a 500 with its text here, so what counts is that every answer is one that the document has.
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client()


async def document(client: Client) -> Any:
    status, answer = await client.ask("GET", "/openapi.json")
    assert status == 200
    return answer


async def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(client: Client) -> None:
    found = await document(client)
    assert found["openapi"] == "3.1.0"
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(found)))
    assert references <= set(found["components"]["schemas"])


async def test_every_route_is_described(client: Client) -> None:
    routes = [route for route in client.manager.app.router.routes() if route.method != "HEAD"]
    silent = {
        f"{route.method} {route.resource.canonical}"
        for route in routes
        if route.resource and description_of(route.handler) is NOTHING_SAID
    }
    assert silent <= {"GET /openapi.json", "GET /docs"}


async def test_each_calldata_body_has_its_schema(client: Client) -> None:
    found = await document(client)
    content = found["paths"]["/genvm/run"]["post"]["requestBody"]["content"]
    named = [one["$ref"].rsplit("/", 1)[1] for one in content["application/octet-stream"]["x-calldata"]]
    assert named == ["RunBodyB1", "RunBodyB2", "RunBodyB3", "RunBodyB4", "RunBodyC"]
    assert set(found["components"]["schemas"]["RunBodyC"]["required"]) >= {"selector", "message", "calldata"}


async def test_the_page_asks_for_nothing_from_outside(client: Client) -> None:
    async with client.session.get("/docs") as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        text = await response.text()
    assert re.findall(r"<(?:script|link|img|iframe)|(?:src|href)=\"(?!openapi\.json)", text) == []
    assert "/genvm/{genvm_id}/artifact" in text


async def test_a_fuzzer_that_reads_the_document_finds_no_answer_that_is_not_in_it(
    make_client: MakeClient,
) -> None:
    """schemathesis, as a process of its own, against a manager whose instances are scripted."""
    client = await make_client(socket=None, port=0, queue_limit=4)
    fuzzing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{client.address}/openapi.json"),
        *("--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "20"),
        # Some answers are waited for: permits for seconds, ends for longer.
        *("--request-timeout", "100"),
        *("--seed", "1", "--no-color", "--suppress-health-check", "all", "--warnings", "off"),
        cwd=client.folder,  # it keeps a cache
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await fuzzing.communicate()
    assert fuzzing.returncode == 0, said.decode()[-6000:]

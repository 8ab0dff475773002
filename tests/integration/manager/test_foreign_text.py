"""Texts that cost more to read than to send: refused before any library looks at them."""

from __future__ import annotations

import encodings.idna
import io
import json
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from tests import generation_bodies
from tests.integration.manager.conftest import Client, MakeClient
from tests.socket_client import MALFORMED, refusal, socket_client

# Encoding this as a host name keeps a processor busy for a fifth of a second, one of a megabyte for seconds.
LONG_NAME = "é" * 60_000
PROMPT = {"user_message": "?", "temperature": 0.0, "max_tokens": 1}


@pytest.mark.parametrize("host", [f"http://{LONG_NAME}/v1", "http://" + "a" * 3000, "http://m\u0301odel/"])
async def test_a_model_at_a_foreign_or_endless_address_is_not_asked(
    make_client: MakeClient, host: str
) -> None:
    async def ask(config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
        raise AssertionError("asked")

    client = await make_client(check_llm=ask)
    config = {"host": host, "provider": "ollama", "model": "m", "key": "k"}
    body = json.dumps({"configs": [config], "test_prompts": [PROMPT]})
    status, [answer] = await client.ask("POST", "/llm/check", data=body)
    assert (status, answer["available"], "host must be an ASCII URL" in answer["error"]) == (200, False, True)


REPEATED = "x" * 1_000_000
"""What a careless answer would say again, six times as long where it is no plain text."""


async def test_no_variable_of_a_model_s_host_is_repeated(client: Client) -> None:
    config = {"host": "${" + REPEATED + "}", "provider": "ollama", "model": "m", "key": "k"}
    body = json.dumps({"configs": [config], "test_prompts": [PROMPT]})
    status, [answer] = await client.ask("POST", "/llm/check", data=io.BytesIO(body.encode()))
    assert (status, len(answer["error"]) < 200) == (200, True)


async def test_no_kind_of_a_selector_is_repeated(client: Client) -> None:
    selector = {"kind": "\x01" * 1_000_000}
    body = io.BytesIO(client.encoded("C", selector=selector))
    expected = "invalid request: selector: 'kind' must be one of 'major', 'version'"
    assert await client.ask("POST", "/genvm/run", data=body) == (500, {"error": expected})
    async with socket_client(client.session) as socket:
        wrong = generation_bodies.fields("C", f"unix://{client.folder}/node", selector=selector)
        assert await refusal(socket.run(wrong)) == (MALFORMED, expected)


async def test_no_key_of_a_variable_is_repeated(client: Client) -> None:
    key = {"key": REPEATED, "value": "v"}
    assert await client.ask("POST", "/env", json=key) == (500, {"error": "invalid env var key"})


@pytest.mark.parametrize("name", [LONG_NAME, "a." * 30_000, "\u0344" * 60_000, "xn--" + "a" * 60_000])
async def test_no_node_is_looked_up_whose_name_would_have_to_be_encoded(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(encodings.idna, "nameprep", None)
    monkeypatch.setattr(socket, "getaddrinfo", None)
    status, answer = await client.ask("POST", "/genvm/run", json=client.body(host=f"{name}:80"))
    assert (status, "is not ASCII labels" in answer["error"], len(answer["error"]) < 500) == (403, True, True)


@pytest.mark.parametrize("key", ["\0", "tx-7\0", "a\0b"])
async def test_a_key_that_some_journals_cannot_keep_is_refused_with_every_journal(
    client: Client, key: str
) -> None:
    """SQLite takes a NUL within a text, PostgreSQL does not: what a client may send does not hang on that."""
    answer = await client.ask("POST", "/genvm/run", data=client.encoded("C", host_genvm_id=key))
    assert answer == (400, {"error": "host_genvm_id must not contain NUL"})
    async with socket_client(client.session) as socket:
        body = generation_bodies.fields("C", f"unix://{client.folder}/node", host_genvm_id=key)
        code, message = await refusal(socket.run(body))
    assert (code, "NUL" in message) == (MALFORMED, True)
    assert client.manager.executions.live() == []

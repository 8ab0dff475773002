"""No value of the environment comes out of the manager, whatever field of whatever route names it.

The requests are made of the OpenAPI document: a new route, or a new field, is in here by itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from genvm_wire.masking import Mask
from orchestrator.modules.kinds import ModuleKind
from tests.integration.manager.conftest import Client, MakeClient, folder, make_client

__all__ = ["folder", "make_client"]

OUTSIDE, TOLD, ALLOWED = "CANARY_OF_THE_PROCESS", "CANARY_OF_ENV", "OPENAI_API_KEY"
VALUES = {name: f"canary-{index * 7919:08d}" for index, name in enumerate((OUTSIDE, TOLD, ALLOWED), 1)}
TEMPLATE = "".join(f"${{ENV[{name}]}}" for name in VALUES)
CANARIES = Mask(VALUES.values())
MOST_BODIES = 400
PLAIN = {"module_type": "Llm", "host": "http://h"}
FREE = {
    "key": TEMPLATE,
    "log": TEMPLATE,
    "ill": TEMPLATE,
    "backends": {"main": {"key": TEMPLATE, "host": "http://h"}},
}
FREE_FORMS = [FREE, {**FREE, "fail": TEMPLATE}, {"host": TEMPLATE}]


class Failed(Exception):
    fatal = True

    def __init__(self, said: str) -> None:
        self.causes = ["STATUS_NOT_OK", said]
        self.ctx = {"url": f"http://h/?key={quote(said)}", "status": 401}


class Repeating:
    """A provider that repeats all that it is sent, as an error and as an answer in turn."""

    def __init__(self) -> None:
        self._asked = 0

    async def __call__(self, config: Mapping[str, Any], prompt: Mapping[str, Any]) -> str:
        self._asked += 1
        said = json.dumps([dict(config), str(prompt)])
        if self._asked % 2:
            raise Failed(said)
        return said


class Bodies:
    """Values of a schema: all texts plain, or the one at `target` a template, or all of them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self._target = -1
        self._seen = 0
        self._free: Any = {}

    def of(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        self._target = -1
        plain = self._value(schema)
        fields = self._seen
        yield plain
        for free in FREE_FORMS:
            self._free = free
            yield self._fresh(schema, -1)
        self._free = FREE
        for target in range(fields):
            yield self._fresh(schema, target)
        yield self._fresh(schema, -2)

    def _fresh(self, schema: Mapping[str, Any], target: int) -> Any:
        self._seen, self._target = 0, target
        return self._value(schema)

    def _text(self, schema: Mapping[str, Any], name: str) -> str:
        self._seen += 1
        if self._target in (self._seen - 1, -2):
            return TEMPLATE
        return str(next(iter(schema.get("enum", [])), schema.get("const", PLAIN.get(name, "x"))))

    def _value(self, schema: Mapping[str, Any], depth: int = 0, name: str = "") -> Any:
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rsplit("/", 1)[1]]
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                options = [one for one in schema[choice] if one.get("type") != "null"]
                return self._value((options or schema[choice])[0], depth, name)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        match kind:
            case "object" if "properties" in schema and depth < 8:
                return {key: self._value(one, depth + 1, key) for key, one in schema["properties"].items()}
            case "object":
                return self._free
            case "array":
                return [self._value(schema["items"], depth + 1)] if schema.get("items") and depth < 8 else []
            case "string":
                return self._text(schema, name)
            case "integer" | "number":
                return max(1, schema.get("minimum", 1))
            case "boolean":
                return False
            case None if "enum" in schema or "const" in schema:
                return self._text(schema, name)
        return None if kind == "null" else self._free


def requests_of(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    bodies = Bodies(document)
    for path, methods in document["paths"].items():
        if path == "/ws":
            continue
        for method, described in methods.items():
            parameters = described.get("parameters", [])
            query = {one["name"]: TEMPLATE for one in parameters if one["in"] == "query"}
            headers = {one["name"]: TEMPLATE for one in parameters if one["in"] == "header"}
            places = [path, *(path.replace(f"{{{one['name']}}}", quote(TEMPLATE)) for one in parameters)]
            filled = path
            for one in parameters:
                filled = filled.replace(f"{{{one['name']}}}", "1")
            for place in dict.fromkeys([*places, filled]):
                yield method, place, {"params": query}
                yield method, place, {"headers": headers}
            content = described.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            for body in islice(bodies.of(schema), MOST_BODIES) if schema else ():
                for _ in range(2):
                    yield method, filled, {"json": body}


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("latin-1")


async def test_no_value_of_the_environment_comes_out(
    make_client: MakeClient,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in (OUTSIDE, ALLOWED):
        monkeypatch.setenv(name, VALUES[name])
    caplog.set_level(logging.DEBUG)
    client: Client = await make_client(check_llm=Repeating(), module_ping_interval=0.02)
    await client.ask("POST", "/env", json={"key": TOLD, "value": VALUES[TOLD]})
    document = (await client.ask("GET", "/openapi.json"))[1]
    asked: dict[str, int] = {}
    for method, path, options in requests_of(document):
        if method == "post" and path == "/env":
            continue  # it would set the canaries' names to other values
        async with client.session.request(method.upper(), path, **options) as response:
            told = f"{dict(response.headers)} {await response.text()}"
            assert CANARIES.text(told) == told, (method, path, options)
            asked[f"{method} {path} {response.status // 100}xx"] = 1
        if "/llm/check" in path or "/module/" in path:
            status = json.dumps((await client.ask("GET", "/status"))[1])
            assert CANARIES.text(status) == status, (method, path, options)
    assert {"post /llm/check 2xx", "post /module/start 2xx", "post /module/restart 2xx"} <= set(asked)
    body = {"module_type": "Llm", "config": FREE}
    assert (await client.ask("POST", "/module/restart", json=body))[0] == 200
    await client.until(lambda: not client.manager.modules.statuses()[ModuleKind.LLM].healthy)
    status = json.dumps((await client.ask("GET", "/status"))[1])
    assert CANARIES.text(status) == status
    for where, text in contents(client.folder):
        assert CANARIES.text(text) == text, where
    logged = "".join(capfd.readouterr()) + caplog.text
    assert "module_log" in logged
    assert CANARIES.text(logged) == logged


async def checked(client: Client, **config: str) -> Any:
    prompt = {"user_message": "?", "temperature": 0, "max_tokens": 10}
    whole = {"host": "http://h", "provider": "ollama", "model": "m", "key": "", **config}
    return (await client.ask("POST", "/llm/check", json={"configs": [whole], "test_prompts": [prompt]}))[1][0]


async def test_only_allowed_names_and_told_values_are_had(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def check(config: Mapping[str, Any], _: Mapping[str, Any]) -> str:
        seen.append(config["key"])
        return "ok"

    for name in ("SOMETHING_ELSE", "GENVM_OF_THE_MANAGER", "MY_KEY"):
        monkeypatch.setenv(name, f"value of {name}")
    client = await make_client(check_llm=check, template_variables="MY_KEY, GENVM_OF_THE_MANAGER")
    for name in ("MY_KEY", "SOMETHING_ELSE", "GENVM_OF_THE_MANAGER", "HOME", "OPENAI_API_KEY"):
        await checked(client, key=f"${{ENV[{name}]}}")
    assert seen == ["value of MY_KEY", "", "", "", ""]
    await client.ask("POST", "/env", json={"key": "SOMETHING_ELSE", "value": "told"})
    await checked(client, key="${ENV[SOMETHING_ELSE]}")
    assert seen[-1] == "told"


async def test_a_host_takes_no_value(make_client: MakeClient) -> None:
    client = await make_client(check_llm=Repeating())
    await client.ask("POST", "/env", json={"key": TOLD, "value": VALUES[TOLD]})
    answer = await checked(client, host=f"http://h/${{ENV[{TOLD}]}}")
    assert answer["error"] == f"a host is written out: ${{ENV[{TOLD}]}} may not stand in it"
    config = {"backends": {"main": {"host": f"http://h/${{ENV[{TOLD}]}}"}}}
    status, refused = await client.ask("POST", "/module/start", json={"module_type": "Llm", "config": config})
    assert (status, refused["error"]) == (500, answer["error"])

"""`docs/routes.md`: every route, from the same document that the manager serves as `/openapi.json`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestrator.api import openapi
from orchestrator.composition import manager
from orchestrator.reference.tables import code, table
from orchestrator.runtime.port import Runtime
from orchestrator.runtime.process import ProcessRuntime, ProcessSettings
from orchestrator.runtime_name import RuntimeName
from orchestrator.settings import Settings

HEAD = """\
# Routes

Made by `make reference` from the routes that are served; a test compares the two. A manager serves the same,
with the shape of every body and answer, as `/openapi.json` (OpenAPI 3.1) and as a page at `/docs`. What the
routes mean is told in [the HTTP API](api.md), what comes over `/ws` in
[the manager socket](manager-socket.md).

Scope: what a token has to have, where the manager has tokens ([access](access.md)). Every error is
`{"error": "…"}`, in plain English.
"""


def page() -> str:
    """The whole page, as Markdown."""
    statuses = [(str(status), about.format(limit="the route's")) for status, about in openapi.REASONS.items()]
    return f"{HEAD}\n{table(('answer', 'what'), statuses)}" + "".join(
        _section(path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    )


def document() -> dict[str, Any]:
    """As a manager with the default settings serves it: one is made for that, and serves nobody."""
    with TemporaryDirectory(prefix="genvm-") as folder:
        settings = Settings(runtime=RuntimeName.PROCESS, state_dir=Path(folder), pool_size=0)
        return asyncio.run(_document(settings))


async def _document(settings: Settings) -> dict[str, Any]:
    async with manager(settings, _nothing_to_run) as running:
        served: dict[str, Any] = json.loads(running.app[openapi.DOCUMENT])
        return served


async def _nothing_to_run(settings: Settings, manager_id: str) -> Runtime:
    return ProcessRuntime(ProcessSettings(manager_id, settings.state_dir, {}))


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    scopes = [scope for entry in operation["security"] for scope in entry[openapi.BEARER]]
    return "".join(
        [
            f"\n## `{method.upper()} {path}`\n\n{operation['summary']}",
            f" Scope: {scopes[0] if scopes else 'none'}.\n",
            *(f"\n{operation[key]}\n" for key in ("description",) if key in operation),
            _parameters(operation),
            _bodies(operation),
            f"\nAnswers: {', '.join(_answers(operation['responses']))}.\n",
        ]
    )


def _parameters(operation: dict[str, Any]) -> str:
    rows = [
        (code(one["name"]), one["in"], "yes" if one["required"] else "no", one.get("description", ""))
        for one in operation.get("parameters", [])
    ]
    return "\n" + table(("parameter", "where", "required", "what"), rows) if rows else ""


def _bodies(operation: dict[str, Any]) -> str:
    body = operation.get("requestBody")
    if body is None:
        return ""
    kinds = ", ".join(f"{code(kind)}{_models(content)}" for kind, content in body["content"].items())
    return f"\nBody: {kinds}; {body['description']}.\n"


def _models(content: dict[str, Any]) -> str:
    found = [content["schema"], *content.get("x-calldata", [])]
    names = [schema["$ref"].rpartition("/")[2] for schema in found if "$ref" in schema]
    return f" ({', '.join(map(code, names))})" if names else ""


def _answers(responses: dict[str, Any]) -> Iterator[str]:
    for status, answer in responses.items():
        models = [_models(content).strip(" ()") for content in answer.get("content", {}).values()]
        shown = [model for model in models if model and model != code("Failure")]
        yield f"{status}{f' ({shown[0]})' if shown else ''}"

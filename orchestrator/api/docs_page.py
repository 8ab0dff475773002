"""`/docs`: the OpenAPI document as one page that needs nothing from anywhere else."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from aiohttp import web

from orchestrator.access.scope import Scope
from orchestrator.api.description import Description, describes
from orchestrator.api.openapi import DOCUMENT

STYLE = """
:root { color-scheme: light dark; --line: #8884; --mark: #2f6f4f; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2.5rem }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; padding: .4rem .8rem }
summary { cursor: pointer } code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow: auto; max-height: 30rem } .method { color: var(--mark); display: inline-block; width: 4.5rem }
table { border-collapse: collapse } td { padding: .1rem 1rem .1rem 0; vertical-align: top }
"""
# No script, no font, no picture: the page may not ask for anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(document: dict[str, Any]) -> str:
    """The HTML of `document`."""
    info = document["info"]
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    schemas = "".join(
        f"<details><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>"
        for name, schema in document["components"]["schemas"].items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f'<p><a href="openapi.json">openapi.json</a></p><h2>Routes</h2>{operations}'
        f"<h2>Schemas</h2>{schemas}</body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    about = f"<p>{escape(operation['description'])}</p>" if "description" in operation else ""
    return (
        f'<details><summary><code><span class="method">{method.upper()}</span>{escape(path)}</code> '
        f"{escape(operation['summary'])}</summary>{about}{_parameters(operation)}{_body(operation)}"
        f"<p>Answers</p>{_json(operation['responses'])}</details>"
    )


def _parameters(operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'required' if one['required'] else ''}</td><td>{escape(one.get('description', ''))}</td></tr>"
        for one in operation.get("parameters", [])
    )
    return f"<table>{rows}</table>" if rows else ""


def _body(operation: dict[str, Any]) -> str:
    body = operation.get("requestBody")
    return f"<p>Body</p>{_json(body['content'])}" if body else ""


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2))}</pre>"


PAGE = web.AppKey("docs_page", bytes)


@describes(Description(failures=(), scope=Scope.READ))
async def get_page(request: web.Request) -> web.StreamResponse:
    """This documentation."""
    return web.Response(
        body=request.app[PAGE],
        content_type="text/html",
        charset="utf-8",
        headers={"Content-Security-Policy": POLICY},
    )


def add_routes(app: web.Application) -> None:
    """To be called after the document has been made."""
    app.router.add_get("/docs", get_page)
    app[PAGE] = page(json.loads(app[DOCUMENT])).encode()

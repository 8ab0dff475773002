"""`/openapi.json`: the API as an OpenAPI 3.1 document, made from the routes and models that serve it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from genvm_wire.unsigned import U64_MAX
from orchestrator.access.scope import Scope
from orchestrator.api.answers import Failure
from orchestrator.api.bodies import LIMITS
from orchestrator.api.description import (
    Description,
    Handler,
    Parameter,
    describes,
    description_of,
    scope_needed,
)
from orchestrator.api.gate import STATUSES as GATE_STATUSES
from orchestrator.version import VERSION

REFERENCE = "#/components/schemas/{model}"
JSON, BYTES = "application/json", "application/octet-stream"
RUN_ID = {"type": "integer", "minimum": 0, "maximum": U64_MAX}
PLACEHOLDER = re.compile(r"\{(\w+)\}")
NOT_MODIFIED = 304
REASONS = {
    200: "done",
    NOT_MODIFIED: "what the client has, as it says in If-None-Match, is what there is",
    400: "the request cannot be read",
    401: "a token is needed, or the one sent is not known",
    403: "not for a page of another origin, or not with this token's scope",
    404: "there is no such thing",
    406: "the answer is of another kind than the header Accept takes",
    408: "the body took too long",
    413: "the body is larger than {limit} bytes",
    415: "the body has a Content-Encoding",
    417: "the header Expect must be 100-continue",
    421: "the header Host is not a name of this manager",
    426: "this path speaks another protocol",
    429: "this token is over its rate: try again after Retry-After",
    500: "refused; the text says why",
    503: "not now: try again after Retry-After",
}
# What any route answers that needs a token, where the manager has tokens.
TURNED_AWAY = (401, 403, 429)
BEARER = "bearer"
SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "description": "needed where the manager has tokens; roles: scopes read, node, operator (docs/access.md)",
}
# Of every route that takes a body.
OF_BODIES = (408, 413, 415, 417, 503)
ABOUT = (
    'The GenVM Manager API of all client generations. Errors are {"error": text}. Bodies in calldata are the '
    "binary value format of the GenVM; their fields are described by the schemas under x-calldata."
)


def document(app: web.Application) -> dict[str, Any]:
    """The whole document for the application's routes."""
    described = list(_operations(app))
    models = {model for _, _, _, description in described for model in _models(description)} | {Failure}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema(
        [(model, "validation") for model in ordered], by_alias=True, ref_template=REFERENCE
    )
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler, description in described:
        most_bytes = app[LIMITS].bytes_of(description.limit)
        paths.setdefault(path, {})[method] = _operation(path, method, handler, description, most_bytes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "GenVM Manager", "version": VERSION, "description": ABOUT},
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {}), "securitySchemes": {BEARER: SCHEME}},
    }


def _operations(app: web.Application) -> Iterator[tuple[str, str, Handler, Description]]:
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            handler: Any = route.handler
            yield route.resource.canonical, route.method.lower(), handler, description_of(handler)


def _models(description: Description) -> Iterator[type[BaseModel]]:
    yield from description.calldata
    for model in (description.answer, description.body):
        if model is not None:
            yield model


def _operation(
    path: str, method: str, handler: Handler, description: Description, most_bytes: int
) -> dict[str, Any]:
    scope = scope_needed(handler)
    summary, _, more = (inspect.getdoc(handler) or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": f"{method}_{'_'.join(re.findall(r'[a-z_]+', path))}",
        "summary": summary.replace("\n", " "),
        "responses": _responses(description, scope, most_bytes),
        "security": [] if scope is Scope.NONE else [{BEARER: [scope.value]}],
    }
    if more:
        operation["description"] = more
    parameters = [_path_parameter(name) for name in PLACEHOLDER.findall(path)]
    parameters += [_parameter(parameter) for parameter in description.parameters]
    if parameters:
        operation["parameters"] = parameters
    if content := _body(description):
        limit = f"at most {most_bytes} bytes"
        operation["requestBody"] = {"required": True, "description": limit, "content": content}
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": RUN_ID}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place.value,
        "required": parameter.required,
        "description": parameter.about,
        "schema": parameter.schema,
    }


def _body(description: Description) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if description.body is not None:
        content[JSON] = {"schema": _reference(description.body)}
    if description.raw or description.calldata:
        content[BYTES] = {"schema": {"type": "string", "format": "binary"}}
    if description.calldata:
        content[BYTES]["x-calldata"] = [_reference(model) for model in description.calldata]
    return content


def _responses(description: Description, scope: Scope, most_bytes: int) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    if description.upgrades:
        responses["101"] = {"description": "the connection is a WebSocket from now on"}
    else:
        schema = {"type": "object"} if description.answer is None else _reference(description.answer)
        content: dict[str, Any] = {JSON: {"schema": schema}}
        if description.text is not None:
            content = {description.text: {"schema": {"type": "string"}}}
        for status in description.answers:
            responses[str(status)] = {
                "description": REASONS[status].format(limit=most_bytes),
                **({} if status == NOT_MODIFIED else {"content": content}),
            }
    of_bodies = OF_BODIES if description.body is not None or description.raw else ()
    turned_away = () if scope is Scope.NONE else TURNED_AWAY
    for status in sorted({*description.failures, *GATE_STATUSES, *of_bodies, *turned_away}):
        responses[str(status)] = {
            "description": REASONS[status].format(limit=most_bytes),
            "content": {JSON: {"schema": _reference(Failure)}},
        }
    return responses


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


DOCUMENT = web.AppKey("openapi", bytes)


@describes(Description(failures=(), scope=Scope.READ))
async def get_document(request: web.Request) -> web.StreamResponse:
    """This API as an OpenAPI 3.1 document."""
    return web.Response(body=request.app[DOCUMENT], content_type=JSON)


def add_routes(app: web.Application) -> None:
    """To be called last: the document is made once, of the routes there are then."""
    app.router.add_get("/openapi.json", get_document)
    app[DOCUMENT] = json.dumps(document(app)).encode()

"""`/contract/…` and `/genvm/run/readonly`: what a contract's code tells (manager-api 3.7–3.9)."""

from __future__ import annotations

import base64
from datetime import datetime
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from genvm_wire.contract_lines import rules_of_code
from genvm_wire.storage_layout import pre_deploy_writes
from orchestrator.access.scope import Scope
from orchestrator.api.answers import Schema, SpecifiedMajor, Writes
from orchestrator.api.bodies import taken
from orchestrator.api.body import BadHeader, WrongShape
from orchestrator.api.callers import allowance_of, caller_of
from orchestrator.api.context import CONTEXT
from orchestrator.api.description import BodyLimit, Description, Parameter, Place, describes
from orchestrator.api.quotas import submitted
from orchestrator.aside import of_code
from orchestrator.contracts.detection import Detection, detect
from orchestrator.contracts.timestamps import parse_timestamp
from orchestrator.executions.costs import EARLY_COSTS
from orchestrator.node.contract_schema import SchemaQuestion, contract_schema

TIMESTAMP_HEADER = "Deployment-Timestamp"
DEPLOYED_AT = Parameter(TIMESTAMP_HEADER, "RFC 3339", {"type": "string"}, required=True, place=Place.HEADER)


def _of_code(answer: type[BaseModel]) -> Description:
    """Of a route that takes a contract's code as its body."""
    return Description(
        answer,
        raw=True,
        limit=BodyLimit.CODE,
        parameters=(DEPLOYED_AT,),
        failures=(400, 500),
        scope=Scope.NODE,
    )


@describes(_of_code(SpecifiedMajor))
async def detect_version(request: web.Request) -> web.StreamResponse:
    """The major that the code asks for; `detection_error` says why it could not be read (W17)."""
    detection = await _detected(request, taken(request), _deployment_time(request))
    answer: dict[str, Any] = {"specified_major": detection.major}
    if detection.error is not None:
        answer["detection_error"] = detection.error
    return web.json_response(answer)


@describes(_of_code(Writes))
async def get_writes(request: web.Request) -> web.StreamResponse:
    """The storage that the oldest nodes write before a deployment."""
    code = taken(request)
    detection = await _detected(request, code, _deployment_time(request))
    if detection.major != 0:
        raise WrongShape("only major version 0 is supported for now")
    return web.Response(body=await of_code(partial(_writes_body, code)), content_type="application/json")


@describes(_of_code(Schema))
async def run_readonly(request: web.Request) -> web.StreamResponse:
    """The contract's schema, from running it against an empty chain of the manager's own."""
    at = _deployment_time(request)
    code = taken(request)
    context = request.app[CONTEXT]
    detection = await _detected(request, code, at)
    schema = await contract_schema(
        context.executions,
        context.catalogue.manifest,
        SchemaQuestion(
            code=code,
            major=detection.major,
            at=at,
            permits=context.rules.price(EARLY_COSTS, nondet=False),
            seconds=context.times.schema,
            namespace=caller_of(request).namespace,
        ),
        partial(submitted, context.executions, allowance=allowance_of(request), waits=True),
    )
    return web.json_response({"schema": schema})


async def _detected(request: web.Request, code: bytes, at: datetime) -> Detection:
    manifest = request.app[CONTEXT].catalogue.manifest
    return await of_code(partial(detect, manifest, code, at))


def _deployment_time(request: web.Request) -> datetime:
    """Raises BadHeader without the header, WrongShape when it is no time."""
    text = request.headers.get(TIMESTAMP_HEADER)
    if text is None:
        raise BadHeader(f"missing {TIMESTAMP_HEADER} header")
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise WrongShape(f"{TIMESTAMP_HEADER}: {error}") from None


def _writes_body(code: bytes) -> bytes:
    """`{"writes": [[key, value], …]}`, base64; a JSON encoder would look at each of its characters."""
    pieces = [b'{"writes":[']
    for key, value in pre_deploy_writes(code, rules_of_code(code).name):
        comma = b"," if len(pieces) > 1 else b""
        pieces += [comma, b'["', base64.b64encode(key), b'","', base64.b64encode(value), b'"]']
    return b"".join([*pieces, b"]}"])


def add_routes(app: web.Application) -> None:
    app.router.add_post("/contract/detect-version", detect_version)
    app.router.add_post("/contract/pre-deploy-writes", get_writes)
    app.router.add_post("/genvm/run/readonly", run_readonly)

"""The aiohttp application: middleware and one `add_routes` per resource."""

from __future__ import annotations

from aiohttp import web

from orchestrator.api import (
    contract,
    docs_page,
    env,
    executions,
    genvm,
    llm_check,
    log_level,
    manifest,
    metrics,
    modules,
    openapi,
    permits,
    status,
    vm_error,
)
from orchestrator.api.audited import audited
from orchestrator.api.bodies import LIMITS, BodyLimits, bodies_within
from orchestrator.api.callers import known_callers, nobody, still_known
from orchestrator.api.context import CONTEXT, ApiContext
from orchestrator.api.errors import errors_as_json
from orchestrator.api.gate import gate
from orchestrator.api.host_names import AcceptedHosts
from orchestrator.api.large_answers import LARGE_ANSWERS, LargeAnswers
from orchestrator.api.members import standing
from orchestrator.api.members.orders import orders_for_all
from orchestrator.api.members.others import others_runs
from orchestrator.api.recovering import after_recovery
from orchestrator.api.socket import route as socket
from orchestrator.api.ui import route as ui

RESOURCES = (
    genvm,
    contract,
    executions,
    modules,
    llm_check,
    permits,
    status,
    metrics,
    manifest,
    log_level,
    env,
    vm_error,
    socket,
    ui,
)


def make_app(context: ApiContext, accepted_hosts: AcceptedHosts, limits: BodyLimits) -> web.Application:
    """The application for `context`; bodies beyond `limits` are refused."""
    middlewares = [
        gate(accepted_hosts, context.executions.misuse),
        audited(context.access),
        errors_as_json,
        known_callers(context.access, nobody if context.passing is None else context.passing.was_passed_on),
        after_recovery(context.recovered, context.times.recovery),
        bodies_within(limits),
    ]
    if context.passing is not None:
        middlewares.insert(-1, others_runs(context.passing, context.executions))
        middlewares.append(orders_for_all(context.passing))
    if context.access.tokens is not None:
        middlewares.append(still_known(context.access.tokens.register))
    app = web.Application(middlewares=middlewares)
    app[CONTEXT] = context
    app[LIMITS] = limits
    app[LARGE_ANSWERS] = LargeAnswers(limits.held.limit, limits.seconds, context.times.room)
    for resource in RESOURCES:
        resource.add_routes(app)
    if context.standing is not None:
        standing.add_routes(app, context.standing)
    openapi.add_routes(app)
    docs_page.add_routes(app)
    ui.add_pages(app)
    return app

"""Spans as OpenTelemetry has them, and who takes them; the one place that knows its library."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from orchestrator.runtime_name import RuntimeName
from orchestrator.traces.export import Send
from orchestrator.traces.story import Story
from orchestrator.traces.tree import PlannedSpan, Side, tree_of
from orchestrator.version import VERSION

SCOPE = InstrumentationScope("genvm-orchestrator", VERSION)
SERVICE = "genvm-orchestrator"
_KINDS = {Side.SERVER: SpanKind.SERVER, Side.INTERNAL: SpanKind.INTERNAL, Side.CLIENT: SpanKind.CLIENT}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_ids = RandomIdGenerator()


def otlp_exporter(url: str | None) -> SpanExporter:
    """OTLP over HTTP. What `url` leaves open the variables `OTEL_EXPORTER_OTLP_…` say, headers with secrets
    among them."""
    # It repeats each failure in its own words, addresses included; what is to be known of that is said once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return OTLPSpanExporter(endpoint=url)


def resource_of(manager_id: str) -> Resource:
    """Who speaks. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say more, or otherwise."""
    mine = {"service.name": SERVICE, "service.version": VERSION, "service.instance.id": manager_id}
    return Resource.create(mine).merge(OTELResourceDetector().detect())


def sending(exporter: SpanExporter, resource: Resource, runtime: RuntimeName) -> Send:
    """What delivers stories as spans."""

    def send(stories: Sequence[Story]) -> bool:
        spans = [span for story in stories for span in spans_of(story, resource, runtime)]
        return exporter.export(spans) is SpanExportResult.SUCCESS

    return send


def spans_of(story: Story, resource: Resource, runtime: RuntimeName) -> Iterator[ReadableSpan]:
    """One tree, its root first."""
    trace = int(story.trace.id, 16)
    above = None if story.trace.parent is None else _context(trace, int(story.trace.parent, 16), remote=True)
    root, *children = tree_of(story, runtime)
    own = _context(trace, _ids.generate_span_id())
    yield _span(root, own, above, resource)
    for child in children:
        yield _span(child, _context(trace, _ids.generate_span_id()), own, resource)


def _context(trace: int, span: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace, span, is_remote=remote, trace_flags=_SAMPLED)


def _span(
    planned: PlannedSpan, context: SpanContext, above: SpanContext | None, resource: Resource
) -> ReadableSpan:
    failed = planned.failed is not None
    return ReadableSpan(
        planned.name,
        context,
        above,
        resource,
        planned.attributes,
        kind=_KINDS[planned.side],
        status=Status(StatusCode.ERROR, planned.failed) if failed else Status(StatusCode.UNSET),
        start_time=planned.start,
        end_time=planned.end,
        instrumentation_scope=SCOPE,
    )

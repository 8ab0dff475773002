"""A collector of traces in this process: OTLP over HTTP, the real messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATH = "/v1/traces"


@dataclass
class Receiver:
    """`answer`: the status of each request; `trees`: for each trace that came, its spans, its root first."""

    url: str = ""
    answer: int = 200
    trees: SimpleQueue[list[Span]] = field(default_factory=SimpleQueue)
    resources: list[Resource] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)

    def take(self, path: str, body: bytes) -> None:
        assert path == PATH
        message = ExportTraceServiceRequest.FromString(body)
        spans: dict[bytes, list[Span]] = {}
        for group in message.resource_spans:
            self.resources.append(group.resource)
            for scope in group.scope_spans:
                for span in scope.spans:
                    spans.setdefault(span.trace_id, []).append(span)
        for tree in spans.values():
            self.trees.put(tree)


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """Listens on a port of loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.authorization.append(self.headers["Authorization"])
            if receiver.answer == 200:
                receiver.take(self.path, body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(receiver.answer)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}{PATH}"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            serving.join()


def attributes(span: Span | Resource) -> dict[str, object]:
    """Of a message, as plain values."""
    return {entry.key: _plain(entry.value) for entry in span.attributes}


def _plain(value: object) -> object:
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]
    found = getattr(value, kind)
    return [_plain(one) for one in found.values] if kind == "array_value" else found

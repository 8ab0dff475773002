"""Answers that the node supplies instead of the network, for trying contracts out (modules 3.7)."""

from __future__ import annotations

from collections.abc import Mapping

from genvm_web.fetching import WebAnswer
from genvm_web.messages import FetchRequest, RenderRequest
from genvm_wire.calldata import Value
from genvm_wire.unsigned import is_unsigned

GOOD = 200


def mocked_fetch(request: FetchRequest, host_data: Mapping[str, Value]) -> WebAnswer | None:
    """The answer for exactly this URL text and method, if there is one."""
    match _entry(host_data, "nondet_web_request", request.url):
        case {"method": str(method), "status": status, "body": str(body)} if method == request.method:
            return _answer(status, body)
    return None


def mocked_render(request: RenderRequest, host_data: Mapping[str, Value]) -> WebAnswer | None:
    """The page for exactly this URL text, if there is one: of any mode, unless it names its own.

    Its status is 200 unless it names one. The body of a screenshot is the picture's bytes.
    """
    entry = _entry(host_data, "nondet_web_render", request.url)
    if not isinstance(entry, dict) or entry.get("mode") not in (None, request.mode):
        return None
    status, body = entry.get("status"), entry.get("body")
    return _answer(GOOD if status is None else status, body) if isinstance(body, str) else None


def _entry(host_data: Mapping[str, Value], table: str, url: str) -> Value:
    mocks = host_data.get("mock_web_response")
    entries = mocks.get(table) if isinstance(mocks, dict) else None
    return entries.get(url) if isinstance(entries, dict) else None


def _answer(status: Value, body: str) -> WebAnswer | None:
    # Nodes that cannot write integers write them as text.
    number = int(status) if isinstance(status, str) and status.isdecimal() else status
    if not is_unsigned(number, 0xFFFF):
        return None
    return WebAnswer(number, {}, body.encode())

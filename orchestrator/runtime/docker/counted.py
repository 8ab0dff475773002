"""The Docker SDK's client, with a tally of what it asked the engine for."""

from __future__ import annotations

import re
import time
from typing import Any

from docker import APIClient
from requests import PreparedRequest, Response

from orchestrator.runtime.call_tally import CallResult, CallTally

VERSIONED = re.compile(r"^/v[0-9.]+")
VERBS = frozenset({"create", "json", "start", "kill", "wait", "logs", "stop"})
KINDS = frozenset({"containers", "images", "networks", "events", "info", "version", "_ping"})
OTHER = "other"
LOCAL = "http+docker:"
"""How the SDK's address of an engine on a unix socket begins."""


def operation_of(method: str, path: str) -> str:
    """What a request is, without the names in it: `POST containers/start`. One of a closed set."""
    segments = VERSIONED.sub("", path.partition("?")[0]).strip("/").split("/")
    kind, verb = segments[0], segments[-1]
    if kind not in KINDS:
        return OTHER
    return f"{method} {kind}/{verb}" if len(segments) > 1 and verb in VERBS else f"{method} {kind}"


class CountedClient(APIClient):
    """Every request goes through `send`. How long: until the answer's head, for streams, too."""

    def __init__(self, *arguments: Any, tally: CallTally, **options: Any) -> None:
        self._tally = tally
        super().__init__(*arguments, **options)
        if self.base_url.startswith(LOCAL):
            # Proxies and netrc are not for sockets, and to look for them takes a third of a call.
            self.trust_env = False

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        begun, result = time.monotonic(), CallResult.UNANSWERED
        try:
            response: Response = super().send(request, **options)
            result = CallResult.OK if response.status_code < 400 else CallResult.REFUSED
            return response
        finally:
            operation = operation_of(request.method or "", request.path_url)
            self._tally.note(operation, result, time.monotonic() - begun)

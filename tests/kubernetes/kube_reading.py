"""Lists: selectors, pages, and what a version in the query means."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Protocol

from tests.kubernetes.kube_selectors import Match, by_fields, by_labels
from tests.kubernetes.kube_statuses import Refusal, invalid_options
from tests.kubernetes.kube_store import Store

Json = dict[str, Any]


class Place(Protocol):
    resource: str
    namespace: str


def selected(query: Mapping[str, str]) -> Match:
    labels = by_labels(query.get("labelSelector", ""))
    fields = by_fields(query.get("fieldSelector", ""))
    return lambda value: labels(value) and fields(value)


class Listing:
    def __init__(self, store: Store, query: Mapping[str, str], kind: str) -> None:
        self.store, self.query, self.kind = store, query, kind

    def of(self, place: Place) -> Json:
        """Raises Refusal."""
        self._version()
        matches = selected(self.query)
        items = [value for value in self.store.all(place.resource, place.namespace) if matches(value)]
        metadata: Json = {"resourceVersion": str(self.store.version)}
        if "limit" in self.query and (limit := int(self.query["limit"])):
            start = self._start()
            rest = items[start + limit :]
            items = items[start : start + limit]
            if rest:
                onward = json.dumps({"start": start + limit, "version": self.store.version}).encode()
                metadata["continue"] = base64.urlsafe_b64encode(onward).decode()
                if not self.query.get("labelSelector"):
                    metadata["remainingItemCount"] = len(rest)
        return {"kind": f"{self.kind}List", "apiVersion": "v1", "metadata": metadata, "items": items}

    def _start(self) -> int:
        token = self.query.get("continue")
        if not token:
            return 0
        try:
            onward = json.loads(base64.urlsafe_b64decode(token))
        except ValueError as error:
            text = (
                "invalid continue token: continue key is not valid: invalid character 'i' looking for "
                "beginning of value"
            )
            raise Refusal(400, text) from error
        if onward["version"] < self.store.oldest:
            raise Refusal(410, "The provided continue parameter is too old")
        return int(onward["start"])

    def _version(self) -> None:
        text = self.query.get("resourceVersion")
        if not text:
            return
        if not text.isdigit():
            raise Refusal(400, f"invalid resource version: {garbage(text)}")
        version, current = int(text), self.store.version
        if self.query.get("resourceVersionMatch") == "Exact":
            if version == 0:
                why = 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
                raise invalid_options("resourceVersionMatch", why)
            if version <= self.store.oldest:
                raise Refusal(410, "The resourceVersion for the provided list is too old.")
        if version > current:
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            text = f"Timeout: Too large resource version: {version}, current: {current}"
            raise Refusal(504, text, details={"causes": [cause], "retryAfterSeconds": 1})


def garbage(text: str) -> str:
    return f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'

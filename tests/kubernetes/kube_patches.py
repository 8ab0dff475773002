"""The kinds of PATCH that an API server takes."""

from __future__ import annotations

import json
from typing import Any

from tests.kubernetes.kube_copies import copied
from tests.kubernetes.kube_statuses import Refusal

Json = dict[str, Any]


def patched(before: Json, content_type: str, raw: bytes) -> Json:
    """`before` with the patch applied. Raises Refusal."""
    match content_type:
        case "application/merge-patch+json":
            return dict(merged(before, json.loads(raw), named=False))
        case "application/strategic-merge-patch+json":
            return dict(merged(before, json.loads(raw), named=True))
        case "application/json-patch+json":
            return _steps(copied(before), json.loads(raw))
        case "application/apply-patch+yaml":
            cause = {
                "reason": "FieldValueRequired",
                "message": "Required value: is required for apply patch",
                "field": "fieldManager",
            }
            details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}
            text = (
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply '
                "patch"
            )
            raise Refusal(422, text, details=details)
        case _:
            raise Refusal(415, "415: Unsupported Media Type", details={})


def merged(before: Any, patch: Any, *, named: bool) -> Any:
    """JSON merge patch; `named`: lists of named things are merged by name."""
    if named and isinstance(patch, list) and isinstance(before, list):
        changed = {item["name"]: item for item in patch}
        kept = [merged(item, changed.pop(item["name"], {}), named=True) for item in before]
        return kept + list(changed.values())
    if not isinstance(patch, dict):
        return copied(patch)
    result = copied(before) if isinstance(before, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value, named=named)
    return result


def _steps(value: Json, steps: list[Json]) -> Json:
    for step in steps:
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        inner: Any = value
        for part in path:
            inner = inner.get(part, {})
        if step["op"] == "test" and inner.get(last) != step["value"]:
            raise Refusal(422, "the server rejected our request due to an error in our request", details={})
        if step["op"] in ("add", "replace"):
            inner[last] = step["value"]
        if step["op"] == "remove":
            inner.pop(last, None)
    return value

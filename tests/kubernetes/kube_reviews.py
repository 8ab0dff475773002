"""The suite's API server on who may do what, asked by those whom it is about."""

from __future__ import annotations

import json
from typing import Any

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def reviewed(raw: bytes, granted: set[tuple[str, str]] | None) -> dict[str, Any]:
    """The answer to a SelfSubjectAccessReview; null: everybody may all."""
    review = json.loads(raw)
    asked = review["spec"]["resourceAttributes"]
    resource = "/".join(part for part in (asked["resource"], asked.get("subresource")) if part)
    allowed = granted is None or (asked["verb"], resource) in granted
    return dict(review) | {"status": {"allowed": allowed}}

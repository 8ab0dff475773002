"""What the suite's API server refuses with: `Status` objects, and the answers that are plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    504: "Timeout",
}


@dataclass
class Refusal(Exception):
    """An answer that is not the one asked for. `text`: not a Status but this, as text/plain."""

    code: int
    message: str = ""
    reason: str | None = ""
    details: dict[str, Any] | None = None
    text: str | None = None
    retry_after: str | None = None

    def body(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        reason = REASONS.get(self.code) if self.reason == "" else self.reason
        if reason is not None:
            said["reason"] = reason
        if self.details is not None:
            said["details"] = self.details
        return said | {"code": self.code}


def of(resource: str, name: str, **more: Any) -> dict[str, Any]:
    """`details` of a refusal about an object; `resource` with its group behind a dot where it has one."""
    plural, _, group = resource.partition(".")
    return {"name": name} | ({"group": group} if group else {}) | {"kind": plural} | more


def not_found(resource: str, name: str) -> Refusal:
    return Refusal(404, f'{resource} "{name}" not found', details=of(resource, name))


def exists(resource: str, name: str, *, terminating: bool = False) -> Refusal:
    text = f'{resource} "{name}" already exists'
    text = f"object is being deleted: {text}" if terminating else text
    return Refusal(409, text, "AlreadyExists", of(resource, name))


def conflict(resource: str, name: str, why: str = "") -> Refusal:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    text = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return Refusal(409, text, details=of(resource, name))


def invalid(kind: str, name: str, field: str, word: str, why: str) -> Refusal:
    """422 about one field. `kind`: with its group behind a dot where it has one."""
    cause = {"reason": f"FieldValue{word.replace(' value', '').replace(' ', '')}", "message": why}
    cause["field"] = field
    known = {"Unsupported value": "FieldValueNotSupported", "Too long": "FieldValueTooLong"}
    cause["reason"] = known.get(word, cause["reason"])
    details = of(kind, name, causes=[cause])
    return Refusal(422, f'{kind} "{name}" is invalid: {field}: {why}', details=details)


def invalid_options(field: str, why: str) -> Refusal:
    cause = {"reason": "FieldValueForbidden", "message": why, "field": field}
    details = {"group": "meta.k8s.io", "kind": "ListOptions", "causes": [cause]}
    text = f'ListOptions.meta.k8s.io "" is invalid: {field}: {why}'
    return Refusal(422, text, details=details)


def forbidden(resource: str, name: str, why: str, **more: Any) -> Refusal:
    return Refusal(403, f'{resource} "{name}" is forbidden: {why}', details=of(resource, name, **more))


def too_old(asked: int, oldest: int) -> Refusal:
    """As the one event of a watch; the list's is another text."""
    return Refusal(410, f"too old resource version: {asked} ({oldest})")


def too_busy() -> Refusal:
    text = "Too many requests, please try again later.\n"
    return Refusal(429, text=text, retry_after="1")

"""Label and field selectors, as the API server reads them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.kubernetes.kube_statuses import Refusal

Match = Callable[[dict[str, Any]], bool]
_SET = re.compile(r"\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*")
FIELDS = ("metadata.name", "metadata.namespace", "spec.nodeName", "status.phase")


def by_labels(text: str) -> Match:
    """Raises Refusal, 400, for what is no selector."""
    terms = [_label_term(term) for term in re.split(r",(?![^(]*\))", text) if term.strip()]
    return lambda value: all(term(value["metadata"].get("labels") or {}) for term in terms)


def _label_term(term: str) -> Match:
    if found := _SET.fullmatch(term):
        key, word, values = found.groups()
        wanted = {value.strip() for value in values.split(",")}
        return lambda labels: (labels.get(key) in wanted) == (word == "in")
    if "(" in term:
        raise Refusal(400, "unable to parse requirement: found '', expected: ',', ')' or identifier")
    if "!=" in term:
        key, value = term.split("!=")
        return lambda labels: labels.get(key.strip()) != value.strip()
    if "=" in term:
        key, value = re.split("==?", term)
        return lambda labels: labels.get(key.strip()) == value.strip()
    key = term.strip()
    return (lambda labels: key[1:] not in labels) if key.startswith("!") else (lambda labels: key in labels)


def by_fields(text: str) -> Match:
    """Raises Refusal, 400, for a field that cannot be selected by."""
    terms = [_field_term(term) for term in text.split(",") if term]
    return lambda value: all(term(value) for term in terms)


def _field_term(term: str) -> Match:
    field, wanted = re.split("!=|==?", term)
    if field not in FIELDS:
        raise Refusal(400, f"field label not supported: {field}")
    equal = "!=" not in term

    def matches(value: dict[str, Any]) -> bool:
        part, name = field.split(".")
        return bool(value.get(part, {}).get(name, "") == wanted) == equal

    return matches

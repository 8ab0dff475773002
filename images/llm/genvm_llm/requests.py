"""Requests of executors, lenient on unknown keys and strict on types (modules 1.1, 1.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from genvm_llm.templates import KINDS
from genvm_module.errors import RequestMalformed
from genvm_wire.calldata import Value

FUEL_KEYS = ("remaining_fuel_as_gen", "remaining_time_fee_gen_wei")


@dataclass(frozen=True, slots=True)
class PromptRequest:
    prompt: str
    form: Literal["text", "json"]
    images: tuple[bytes, ...]
    remaining_fuel: int


@dataclass(frozen=True, slots=True)
class TemplateRequest:
    """`kind` is a key of `templates.KINDS`; `values` has its variables."""

    kind: str
    values: Mapping[str, str]
    remaining_fuel: int


Request: TypeAlias = PromptRequest | TemplateRequest


def read_request(message: Value) -> Request:
    """Raises RequestMalformed."""
    if not isinstance(message, dict) or len(message) != 1:
        raise RequestMalformed("a request is a map of one entry")
    variant, value = next(iter(message.items()))
    if not isinstance(value, dict):
        raise RequestMalformed("a request's value is a map")
    payload = value.get("payload", value)
    if not isinstance(payload, dict):
        raise RequestMalformed("'payload' is not a map")
    if variant == "Prompt":
        return _prompt(payload, _fuel(value))
    if variant == "PromptTemplate":
        return _template(payload, _fuel(value))
    raise RequestMalformed("neither Prompt nor PromptTemplate")


def _fuel(value: Mapping[str, Value]) -> int:
    for key in FUEL_KEYS:
        fuel = value.get(key)
        if fuel is None:
            continue
        if not isinstance(fuel, int) or isinstance(fuel, bool) or fuel < 0:
            raise RequestMalformed(f"{key!r} is not an integer of 0 or more")
        return fuel
    return 0


def _prompt(payload: Mapping[str, Value], fuel: int) -> PromptRequest:
    form = payload.get("response_format", "text")
    if form not in ("text", "json"):
        raise RequestMalformed("'response_format' is neither text nor json")
    images = payload.get("images")
    if not isinstance(images, list):
        raise RequestMalformed("'images' is not an array")
    kept = tuple(image for image in images if isinstance(image, bytes))
    if len(kept) != len(images):
        raise RequestMalformed("an image is not bytes")
    return PromptRequest(_text(payload, "prompt"), "json" if form == "json" else "text", kept, fuel)


def _template(payload: Mapping[str, Value], fuel: int) -> TemplateRequest:
    kind = _text(payload, "template")
    if kind not in KINDS:
        raise RequestMalformed("unknown 'template'")
    return TemplateRequest(kind, {name: _text(payload, name) for name in KINDS[kind].variables}, fuel)


def _text(payload: Mapping[str, Value], key: str) -> str:
    value = payload.get(key)
    if not isinstance(value, str):
        raise RequestMalformed(f"{key!r} is not a string")
    return value

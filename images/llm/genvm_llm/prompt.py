"""A prompt as providers get it (modules 2.4), and reading one from JSON as `/llm/check` takes it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from genvm_llm.merging import Json, MergeRefused, Strategy, check_strategy
from genvm_llm.timeouts import seconds
from genvm_wire.unsigned import is_unsigned

Format = Literal["text", "json", "bool"]

JsonMode = Literal["object", "schema", "none"]

MAX_TOKENS_LIMIT = 2**32 - 1
SEED_LIMIT = 2**64 - 1
KEPT_SEEDS = 2**31 - 1
"""Servers keep 31 bits, 32 or 63; llama.cpp takes 2**32 - 1, and what is cut to it, for "any"."""


class PromptMalformed(ValueError):
    """A key that is missing or has a wrong value."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`timeout` in seconds. `images` are PNG or JPEG bytes. No `temperature`: the provider's own.

    `options` are further fields of a request, in the provider's words; `extra` such of one prompt.
    """

    user_message: str
    system_message: str | None = None
    temperature: float | None = 0.7
    images: tuple[bytes, ...] = ()
    max_tokens: int = 8000
    use_max_completion_tokens: bool = False
    seed: int | None = None
    json_mode: JsonMode = "object"
    options: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    extra_merge_strategy: Strategy = None
    timeout: float | None = None

    @property
    def kept_seed(self) -> int | None:
        """The seed as every server keeps it: those above 31 bits are folded into them."""
        return self.seed if self.seed is None or self.seed <= KEPT_SEEDS else self.seed % KEPT_SEEDS


def read_prompt(fields: Mapping[str, object]) -> Prompt:
    """The prompt that a JSON object describes; only `user_message`, `temperature`, `max_tokens` are needed.

    Images are lists of byte values or base64 text. Raises PromptMalformed.
    """
    try:
        return Prompt(
            user_message=_text(fields, "user_message"),
            system_message=None if fields.get("system_message") is None else _text(fields, "system_message"),
            temperature=number(fields.get("temperature"), "temperature"),
            images=tuple(_image(image) for image in _list(fields.get("images"))),
            max_tokens=_whole(fields.get("max_tokens"), "max_tokens", MAX_TOKENS_LIMIT),
            use_max_completion_tokens=fields.get("use_max_completion_tokens") is True,
            seed=None if fields.get("seed") is None else _whole(fields.get("seed"), "seed", SEED_LIMIT),
            extra=_object(fields.get("extra")),
            extra_merge_strategy=check_strategy(fields.get("extra_merge_strategy")),
            timeout=seconds(fields.get("timeout")),
        )
    except MergeRefused as error:
        raise PromptMalformed(str(error)) from None
    except PromptMalformed:
        raise
    except ValueError as error:
        raise PromptMalformed(f"timeout: {error}") from None


def number(value: object, name: str) -> float:
    """A number, also as decimal text. Raises PromptMalformed."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9:
        return float(value)
    raise PromptMalformed(f"{name!r} must be a number")


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise PromptMalformed(f"{name!r} must be a string")
    return value


def _whole(value: object, name: str, limit: int) -> int:
    if is_unsigned(value, limit):
        return value
    raise PromptMalformed(f"{name!r} must be a whole number up to {limit}")


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise PromptMalformed("'images' must be a list")
    return value


def _object(value: object) -> dict[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PromptMalformed("'extra' must be an object")
    return cast("dict[str, Json]", value)


def _image(value: object) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
        if isinstance(value, list):
            return bytes(value)
    except (binascii.Error, TypeError, ValueError):
        pass
    if isinstance(value, bytes):
        return value
    raise PromptMalformed("an image must be a list of byte values or base64 text")

"""`POST /llm/check`: whether models answer, without a module and without a run (manager-api 3.14)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from genvm_wire.providers import ProviderName
from orchestrator.access.scope import Scope
from orchestrator.api.answers import CheckedModels
from orchestrator.api.bodies import json_body
from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.context import CONTEXT, ApiContext
from orchestrator.api.description import BodyLimit, Description, describes
from orchestrator.api.short_text import short
from orchestrator.api.wire.durations import parse_duration
from orchestrator.api.wire.fields import U32, U64, Flag, Text
from orchestrator.modules.failures import BadConfiguration
from orchestrator.modules.redaction import Redaction
from orchestrator.modules.templating import Template
from orchestrator.provider_checks import CheckOne, ChecksUnavailable

CONCURRENT_CHECKS = 8
MOST_CHECKS = 1000
LONGEST_HOST = 2048
LONGEST_KEY = 4096
"""Characters: keys are found again in every spelling, at a cost that grows with their length."""
LONGEST_NAME = 1024
MOST_IMAGES = 100
MOST_SENT = 256 * 1024 * 1024
"""Bytes and characters that all checks of a request send: each model's request is written anew."""
LEAST_OF_STEP = 64
"""So many bytes are copied in the time that it takes to write a number."""
LONGEST_RESPONSE = 16 * 1024
"""Characters of an answer that are told: whoever asks only wants to know whether a model answers."""
# The rest of what a failure knows (headers, bodies) may hold anything.
TOLD = ("url", "status")
LONGEST_TOLD = 1000
MOST_CAUSES, LONGEST_CAUSE = 8, 64
"""A failure's text is JSON that is read as such: its parts are short, so that nothing cuts the whole."""
_ENCODER = json.JSONEncoder()

Number = Annotated[float, Field(allow_inf_nan=False)]
Byte = Annotated[int, Field(ge=0, le=255, strict=True)]
Image = Annotated[list[Byte], Field(fail_fast=True)] | Text


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    return parse_duration(value).total_seconds()


class CheckConfig(BaseModel):
    """`key` may have `${ENV[NAME]}` in it, a value of `/env` or a name that the operator allows."""

    model_config = ConfigDict(frozen=True)

    host: Text
    provider: ProviderName
    model: Text = Field(max_length=LONGEST_NAME)
    key: Text = Field(repr=False, max_length=LONGEST_KEY)
    api_path: Text | None = Field(
        None, max_length=LONGEST_NAME, description="what the API's paths begin with, if not the usual"
    )


class CheckPrompt(BaseModel):
    model_config = ConfigDict(frozen=True)

    system_message: Text | None = None
    user_message: Text
    temperature: Number
    images: tuple[Image, ...] = Field(
        (), max_length=MOST_IMAGES, fail_fast=True, description="byte values, or base64"
    )
    max_tokens: U32
    use_max_completion_tokens: Flag = False
    seed: U64 | None = None
    extra: dict[str, Any] = Field(default_factory=dict)
    extra_merge_strategy: Text | dict[str, Any] | None = None
    timeout: Annotated[
        Number | None,
        BeforeValidator(_seconds, json_schema_input_type=float | str | None),
        Field(description="seconds, or a text such as 500ms, 1.5s, 2m"),
    ] = None


class CheckBody(BaseModel):
    configs: list[CheckConfig] = Field(max_length=MOST_CHECKS, fail_fast=True)
    test_prompts: list[CheckPrompt] = Field(max_length=MOST_CHECKS, fail_fast=True)


class EntryFailed(Exception):
    """One entry cannot be checked; the others can."""


@dataclass(frozen=True, slots=True)
class PromptCheck:
    """One model and one prompt."""

    config_index: int
    config: CheckConfig
    prompt_index: int
    prompt: dict[str, Any] | EntryFailed

    def answer(self, response: str | None, error: str | None) -> bytes:
        """As JSON: all of them in one go would take too long."""
        told = {
            "config_index": self.config_index,
            "prompt_index": self.prompt_index,
            "available": error is None,
            "error": None if error is None else short(error),
            "response": response,
        }
        return json.dumps(told).encode()


@describes(
    Description(CheckedModels, CheckBody, limit=BodyLimit.PICTURES, failures=(400, 500), scope=Scope.OPERATOR)
)
async def post_check(request: web.Request) -> web.StreamResponse:
    """Ask each model each prompt; one that fails does not fail the others. Models come in the order asked."""
    body = shaped(CheckBody, await json_body(request))
    if len(body.configs) * len(body.test_prompts) > MOST_CHECKS:
        raise WrongShape(f"more than {MOST_CHECKS} checks in one request")
    if len(body.configs) * await asyncio.to_thread(_size, body.test_prompts) > MOST_SENT:
        raise WrongShape(f"all checks of this request would send more than {MOST_SENT} bytes")
    context, slots = request.app[CONTEXT], asyncio.Semaphore(CONCURRENT_CHECKS)
    prompts = await asyncio.to_thread(_prepared, body.test_prompts, context.times.model)
    entries = [
        PromptCheck(config_index, config, prompt_index, prompt)
        for config_index, config in enumerate(body.configs)
        for prompt_index, prompt in enumerate(prompts)
    ]
    async with asyncio.TaskGroup() as group:
        checks = [group.create_task(_checked(context, slots, entry)) for entry in entries]
    whole = b"[" + b", ".join(check.result() for check in checks) + b"]"
    return web.Response(body=whole, content_type="application/json", charset="utf-8")


async def _checked(context: ApiContext, slots: asyncio.Semaphore, entry: PromptCheck) -> bytes:
    try:
        async with slots:
            # What keys look like in other spellings: a thread's, and few at a time.
            config, redaction = await asyncio.to_thread(_config, context, entry.config)
            if isinstance(entry.prompt, EntryFailed):
                return entry.answer(None, str(entry.prompt))
            return entry.answer(await _asked(context.check_llm, config, entry.prompt, redaction), None)
    except (EntryFailed, ChecksUnavailable) as failure:
        return entry.answer(None, str(failure))


async def _asked(
    check: CheckOne, config: Mapping[str, Any], prompt: Mapping[str, Any], redaction: Redaction
) -> str:
    try:
        return (await asyncio.to_thread(redaction.text, await check(config, prompt)))[:LONGEST_RESPONSE]
    except ChecksUnavailable:
        raise
    except Exception as failure:
        raise EntryFailed(await asyncio.to_thread(redaction.text, _told(failure))) from None


def _config(context: ApiContext, config: CheckConfig) -> tuple[dict[str, Any], Redaction]:
    """With the variables of host and key replaced, and what may not be shown of it. Raises EntryFailed."""
    template = Template({}, context.environment.get)
    if not (config.host.isascii() and len(config.host) <= LONGEST_HOST):
        # Encoding a foreign host name takes the loop's time, more of it the longer the name is. No variable
        # makes it longer: there are none of a place's.
        raise EntryFailed(f"host must be an ASCII URL of at most {LONGEST_HOST} characters")
    try:
        host, key = template.place(config.host), template.text(config.key)
    except BadConfiguration as unknown:
        raise EntryFailed(str(unknown)) from None
    if len(key) > LONGEST_KEY:
        raise EntryFailed(f"key must be at most {LONGEST_KEY} characters, with its variables replaced")
    asked = {
        "host": host,
        "api_path": config.api_path,
        "provider": config.provider,
        "model": config.model,
        "key": key,
    }
    return asked, Redaction({key, *template.taken})


def _size(prompts: Sequence[CheckPrompt]) -> int:
    """About how much one model is sent, in bytes and characters; counted step by step."""
    texts = (text for prompt in prompts for text in (prompt.user_message, prompt.system_message or ""))
    beside = chain.from_iterable(_ENCODER.iterencode(prompt.extra) for prompt in prompts)
    return sum(map(len, chain(texts, *(prompt.images for prompt in prompts)))) + sum(
        max(LEAST_OF_STEP, len(piece)) for piece in beside
    )


def _prepared(prompts: Sequence[CheckPrompt], seconds: float) -> list[dict[str, Any] | EntryFailed]:
    """Each once, however many models there are."""
    made: list[dict[str, Any] | EntryFailed] = []
    for prompt in prompts:
        try:
            made.append(_prompt(prompt, seconds))
        except EntryFailed as failure:
            made.append(failure)
    return made


def _prompt(prompt: CheckPrompt, seconds: float) -> dict[str, Any]:
    """Raises EntryFailed for an image that is neither byte values nor base64."""
    timeout = seconds if prompt.timeout is None else prompt.timeout
    return prompt.model_dump() | {"images": [_image(image) for image in prompt.images], "timeout": timeout}


def _image(image: list[int] | str) -> bytes:
    try:
        return bytes(image) if isinstance(image, list) else base64.b64decode(image, validate=True)
    except (ValueError, binascii.Error):
        raise EntryFailed(_failure_text(["INVALID_IMAGE"], fatal=False, ctx={})) from None


def _told(failure: Exception) -> str:
    causes = getattr(failure, "causes", None)
    if not isinstance(causes, list):
        return _failure_text([type(failure).__name__], fatal=True, ctx={})
    ctx = getattr(failure, "ctx", {})
    known = {key: ctx[key] for key in TOLD if isinstance(ctx.get(key), str | int)}
    known = {key: one[:LONGEST_TOLD] if isinstance(one, str) else one for key, one in known.items()}
    told = [str(cause)[:LONGEST_CAUSE] for cause in causes[:MOST_CAUSES]]
    return _failure_text(told, fatal=bool(getattr(failure, "fatal", True)), ctx=known)


def _failure_text(causes: list[str], *, fatal: bool, ctx: Mapping[str, Any]) -> str:
    return json.dumps({"causes": causes, "fatal": fatal, "ctx": dict(ctx)}, separators=(",", ":"))


def add_routes(app: web.Application) -> None:
    app.router.add_post("/llm/check", post_check)

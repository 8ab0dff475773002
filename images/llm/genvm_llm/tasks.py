"""From a request to the prompt that a policy works on (modules 2.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from genvm_llm import filters, pictures
from genvm_llm.comparisons import check_proportion, utf8_size
from genvm_llm.configuration import Config
from genvm_llm.prompt import Format, Prompt
from genvm_llm.requests import PromptRequest, Request
from genvm_llm.templates import KINDS
from genvm_llm.workshop import WorkFailed, Workshop
from genvm_module.contract import Caller
from genvm_module.errors import ModuleError

TEMPERATURE = 0.7
PROMPT_TOKENS = 8000
TEMPLATE_TOKENS = 1000
JSON_SYSTEM = "Answer with one valid JSON object and nothing else."


@dataclass(frozen=True, slots=True)
class Task:
    """`kind` is `Prompt` or a template's name; `form` is the format of the answer."""

    kind: str
    form: Format
    prompt: Prompt
    caller: Caller = field(repr=False)


async def task_of(request: Request, config: Config, workshop: Workshop, caller: Caller) -> Task:
    """Raises BeyondComparison; ModuleError for images that are not allowed, for too much text or text that is
    not filtered.
    """
    if isinstance(request, PromptRequest):
        pictures.check(request.images)
        texts = await _filtered({"prompt": request.prompt}, filters.PROMPT_FILTERS, config, workshop)
        _check_size(texts, config)
        prompt = Prompt(
            user_message=texts["prompt"],
            system_message=JSON_SYSTEM if request.form == "json" else None,
            temperature=TEMPERATURE,
            images=request.images,
            max_tokens=PROMPT_TOKENS,
        )
        return Task("Prompt", request.form, prompt, caller)
    kind = KINDS[request.kind]
    template = config.templates[kind.key]
    check_proportion(request.kind, request.values, config.max_comparison_bytes)
    values = await _filtered(request.values, filters.TEMPLATE_FILTERS, config, workshop)
    # Again, because it is what filters make of a text that a model reads: they can lengthen it elevenfold.
    check_proportion(request.kind, values, config.max_comparison_bytes)
    _check_size(values, config)
    prompt = Prompt(
        user_message=template.filled(values),
        system_message=template.system,
        temperature=TEMPERATURE,
        max_tokens=TEMPLATE_TOKENS,
    )
    return Task(request.kind, "bool" if kind.decides else "text", prompt, caller)


async def _filtered(
    texts: Mapping[str, str], names: Sequence[str], config: Config, workshop: Workshop
) -> Mapping[str, str]:
    """Both failures are fatal: bound and speed are this node's own, and no observation about anything."""
    names = (*names, *filters.GUARD) if config.guard_control_tokens else tuple(names)
    size = _check_size(texts, config)
    try:
        found: Mapping[str, str] = await workshop.do("filtered", dict(texts), names, size=size)
    except WorkFailed as failure:
        raise ModuleError("PROMPT_NOT_FILTERED", fatal=True, ctx={"rust_error": str(failure)}) from None
    return found


def _check_size(texts: Mapping[str, str], config: Config) -> int:
    """The bytes of all together. Raises ModuleError PROMPT_TOO_LARGE.

    Of what is filtered, for what that costs, and of what filters left, for what a model has room for.
    """
    size = sum(map(utf8_size, texts.values()))
    if size > config.max_prompt_bytes:
        ctx = {"bytes": size, "limit": config.max_prompt_bytes}
        raise ModuleError("PROMPT_TOO_LARGE", fatal=True, ctx=ctx)
    return size


def require_text(task: Task) -> None:
    """Raises ModuleError EMPTY_PROMPT when the filters left nothing."""
    if task.kind == "Prompt" and not task.prompt.user_message.strip():
        raise ModuleError("EMPTY_PROMPT", fatal=False)

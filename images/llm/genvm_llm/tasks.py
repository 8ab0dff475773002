"""From a request to the prompt that a policy works on (modules.md, 2.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genvm_llm import filters, pictures
from genvm_llm.prompt import Format, Prompt
from genvm_llm.requests import PromptRequest, Request
from genvm_llm.templates import KINDS, Template
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


def task_of(request: Request, templates: Mapping[str, Template], caller: Caller) -> Task:
    """Raises ModuleError for images that are not allowed."""
    if isinstance(request, PromptRequest):
        pictures.check(request.images)
        prompt = Prompt(
            user_message=filters.apply(request.prompt, filters.PROMPT_FILTERS),
            system_message=JSON_SYSTEM if request.form == "json" else None,
            temperature=TEMPERATURE,
            images=request.images,
            max_tokens=PROMPT_TOKENS,
        )
        return Task("Prompt", request.form, prompt, caller)
    kind = KINDS[request.kind]
    template = templates[kind.key]
    values = {name: filters.apply(value, filters.TEMPLATE_FILTERS) for name, value in request.values.items()}
    prompt = Prompt(
        user_message=template.filled(values),
        system_message=template.system,
        temperature=TEMPERATURE,
        max_tokens=TEMPLATE_TOKENS,
    )
    return Task(request.kind, "bool" if kind.decides else "text", prompt, caller)


def require_text(task: Task) -> None:
    """Raises ModuleError EMPTY_PROMPT when the filters left nothing."""
    if task.kind == "Prompt" and not task.prompt.user_message.strip():
        raise ModuleError("EMPTY_PROMPT", fatal=False)

"""One model of a backend, and what its switches make of a prompt (modules 2.1 and correction 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast, get_args

from genvm_llm.fields import bounded, duration, flag, positive, submap
from genvm_llm.merging import Json, numeric
from genvm_llm.prompt import MAX_TOKENS_LIMIT, SEED_LIMIT, JsonMode, Prompt, PromptMalformed, number
from genvm_module.contract import ConfigurationRefused

OMIT = "omit"
RESERVED = frozenset({"model", "messages", "prompt", "contents", "system", "system_instruction", "stream"})
"""What a request is made of besides settings."""


@dataclass(frozen=True, slots=True)
class Model:
    """`timeout` in seconds; prices in gen wei per token.

    `temperature`: that of every prompt, whoever asks; `omit`: none is sent. `max_tokens`: a cap below ours.
    `system_role` false: the system text stands before the user's. `options`: further fields, in the
    provider's words.
    """

    name: str
    supports_json: bool = False
    supports_image: bool = False
    use_max_completion_tokens: bool = False
    meta: Json = None
    timeout: float | None = None
    gen_per_input_token: int = 0
    gen_per_output_token: int = 0
    temperature: float | str | None = None
    json_mode: JsonMode = "object"
    system_role: bool = True
    max_tokens: int | None = None
    seed: int | None = None
    options: Mapping[str, Json] = field(default_factory=dict)

    def shaped(self, prompt: Prompt) -> Prompt:
        """`prompt` as this model takes it."""
        if self.temperature is not None:
            chosen = None if isinstance(self.temperature, str) else self.temperature
            prompt = replace(prompt, temperature=chosen)
        if not self.system_role and prompt.system_message is not None:
            joined = f"{prompt.system_message}\n\n{prompt.user_message}"
            prompt = replace(prompt, system_message=None, user_message=joined)
        return replace(
            prompt,
            use_max_completion_tokens=self.use_max_completion_tokens,
            max_tokens=min(prompt.max_tokens, self.max_tokens or MAX_TOKENS_LIMIT),
            seed=self.seed if prompt.seed is None else prompt.seed,
            json_mode=self.json_mode,
            options=self.options,
        )


def read_model(name: str, fields: Mapping[str, object], where: str) -> Model | None:
    """None for one that is switched off. Raises ConfigurationRefused."""
    if not flag(fields, "enabled", where, default=True):
        return None
    return Model(
        name=name,
        supports_json=flag(fields, "supports_json", where),
        supports_image=flag(fields, "supports_image", where),
        use_max_completion_tokens=flag(fields, "use_max_completion_tokens", where),
        meta=cast("Json", fields.get("meta")),
        timeout=duration(fields, "timeout", where),
        gen_per_input_token=positive(fields, "gen_per_input_token", where, 0),
        gen_per_output_token=positive(fields, "gen_per_output_token", where, 0),
        temperature=_temperature(fields, where),
        json_mode=_json_mode(fields, where),
        system_role=flag(fields, "system_role", where, default=True),
        max_tokens=bounded(fields, "max_tokens", f"{where}.", MAX_TOKENS_LIMIT),
        seed=_seed(fields, where),
        options=_options(fields, where),
    )


def _temperature(fields: Mapping[str, object], where: str) -> float | str | None:
    value = fields.get("temperature")
    if value is None:
        return None
    if value == OMIT:
        return OMIT
    try:
        return number(value, "temperature")
    except PromptMalformed:
        raise ConfigurationRefused(f"{where}.temperature must be a number or {OMIT!r}") from None


def _json_mode(fields: Mapping[str, object], where: str) -> JsonMode:
    value = fields.get("json_mode")
    if value is None:
        return "object"
    if value not in get_args(JsonMode):
        raise ConfigurationRefused(f"{where}.json_mode must be one of {', '.join(get_args(JsonMode))}")
    return cast("JsonMode", value)


def _seed(fields: Mapping[str, object], where: str) -> int | None:
    return 0 if fields.get("seed") == 0 else bounded(fields, "seed", f"{where}.", SEED_LIMIT)


def _options(fields: Mapping[str, object], where: str) -> Mapping[str, Json]:
    """Fractions have travelled as text."""
    found = submap(fields, "options", f"{where}.options")
    if taken := sorted(RESERVED & set(found)):
        raise ConfigurationRefused(f"{where}.options may not hold {', '.join(taken)}")
    return {name: numeric(cast("Json", value)) for name, value in found.items()}

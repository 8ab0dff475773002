"""The module's configuration: what a node posts, checked and filtered (modules.md, 2.1, 2.3).

Numbers that are no integers may come as decimal text. Unknown keys are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from genvm_llm.merging import Json
from genvm_llm.prompt import PromptMalformed, number
from genvm_llm.providers import PROVIDERS
from genvm_llm.retrying import Retry, read_retry
from genvm_llm.templates import KINDS, Template, TemplateUnusable, check_template
from genvm_llm.timeouts import TimeoutMalformed, seconds
from genvm_module.contract import ConfigurationRefused

DEFAULT_TIMEOUT = 180.0
DEFAULT_CONCURRENCY = 16
DEFAULT_PROMPT_BYTES = 256 * 1024
LARGEST_PROMPT_BYTES = 4 * 1024 * 1024
DEFAULT_FILE = Path(__file__).with_name("default-config.yaml")
STUDIO_SCRIPTS = frozenset({"llm.lua", "web.lua"})


@dataclass(frozen=True, slots=True)
class Model:
    """`timeout` in seconds; prices in gen wei per token."""

    name: str
    supports_json: bool = False
    supports_image: bool = False
    use_max_completion_tokens: bool = False
    meta: Json = None
    timeout: float | None = None
    gen_per_input_token: int = 0
    gen_per_output_token: int = 0


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """`models` in the order of their names. `key` is never shown."""

    id: str
    provider: str
    host: str
    key: str = field(repr=False)
    models: tuple[Model, ...]
    priority: float = 0.0
    meta: Json = None
    timeout: float | None = None
    max_concurrent: int = DEFAULT_CONCURRENCY


@dataclass(frozen=True, slots=True)
class Config:
    """`policy` is `default`, `studio`, or the path of an operator's file; `policy_source` wins over it."""

    backends: Mapping[str, BackendConfig]
    templates: Mapping[str, Template]
    timeout: float = DEFAULT_TIMEOUT
    policy: str = "default"
    policy_source: str | None = field(default=None, repr=False)
    retry: Retry = field(default_factory=Retry)
    max_prompt_bytes: int = DEFAULT_PROMPT_BYTES
    """A prompt's text, or all values of a template together, as UTF-8 and before filters."""
    guard_control_tokens: bool = True
    meta: Json = None
    log_level: str = "info"
    notes: tuple[str, ...] = ()


def default_config() -> Mapping[str, object]:
    """The image's own file."""
    loaded: Mapping[str, object] = yaml.safe_load(DEFAULT_FILE.read_text(encoding="utf-8"))
    return loaded


def read_config(fields: Mapping[str, object], *, allow_empty_backends: bool = False) -> Config:
    """Raises ConfigurationRefused: what is wrong and where, without any value that could be a secret."""
    notes: list[str] = []
    backends = _backends(_map(fields, "backends"), notes)
    if not backends and not allow_empty_backends:
        reasons = f" ({'; '.join(notes)})" if notes else ""
        raise ConfigurationRefused("no valid backend detected" + reasons)
    return Config(
        backends=backends,
        templates=_templates(_map(fields, "prompt_templates")),
        timeout=_timeout(fields, "timeout", "timeout") or DEFAULT_TIMEOUT,
        policy=_policy(fields, notes),
        policy_source=_optional_text(fields, "policy_source"),
        retry=read_retry(fields.get("retry")),
        max_prompt_bytes=_prompt_bytes(fields),
        guard_control_tokens=_flag(fields, "guard_control_tokens", "configuration", default=True),
        meta=cast("Json", fields.get("meta")),
        log_level=str(fields.get("log_level") or "info"),
        notes=tuple(notes),
    )


def _backends(raw: Mapping[str, object], notes: list[str]) -> dict[str, BackendConfig]:
    """The enabled backends that have a model and a key."""
    kept: dict[str, BackendConfig] = {}
    for name in sorted(raw):
        where = f"backends.{name}"
        fields = _map(raw, name, where)
        if _flag(fields, "enabled", where, default=True):
            backend = _backend(name, fields, where)
            if not backend.models:
                notes.append(f"backend {name!r} dropped: no enabled model")
            elif not backend.key and backend.provider != "ollama":
                notes.append(f"backend {name!r} dropped: its key is empty")
            else:
                kept[name] = backend
    return kept


def _backend(name: str, fields: Mapping[str, object], where: str) -> BackendConfig:
    provider = _text(fields, "provider", where)
    if provider not in PROVIDERS:
        raise ConfigurationRefused(
            f"{where}.provider: {provider[:40]!r} is none of {', '.join(sorted(PROVIDERS))}"
        )
    meta = fields.get("meta")
    models = _map(fields, "models", f"{where}.models")
    return BackendConfig(
        id=name,
        provider=provider,
        host=_host(_text(fields, "host", where), where),
        key=_optional_text(fields, "key") or "",
        models=tuple(
            model
            for model_name in sorted(models)
            if (model := _model(model_name, _map(models, model_name, f"{where}.models.{model_name}"), where))
        ),
        priority=_priority(meta, where),
        meta=cast("Json", meta),
        timeout=_timeout(fields, "timeout", where),
        max_concurrent=_positive(fields, "max_concurrent", where, DEFAULT_CONCURRENCY),
    )


def _model(name: str, fields: Mapping[str, object], where: str) -> Model | None:
    where = f"{where}.models.{name}"
    if not _flag(fields, "enabled", where, default=True):
        return None
    return Model(
        name=name,
        supports_json=_flag(fields, "supports_json", where),
        supports_image=_flag(fields, "supports_image", where),
        use_max_completion_tokens=_flag(fields, "use_max_completion_tokens", where),
        meta=cast("Json", fields.get("meta")),
        timeout=_timeout(fields, "timeout", where),
        gen_per_input_token=_positive(fields, "gen_per_input_token", where, 0),
        gen_per_output_token=_positive(fields, "gen_per_output_token", where, 0),
    )


def _templates(raw: Mapping[str, object]) -> dict[str, Template]:
    defaults = _map(default_config(), "prompt_templates")
    templates: dict[str, Template] = {}
    for kind in KINDS.values():
        where = f"prompt_templates.{kind.key}"
        fields = _map(raw if kind.key in raw else defaults, kind.key, where)
        try:
            templates[kind.key] = check_template(
                kind.key, Template(_text(fields, "system", where), _text(fields, "user", where))
            )
        except TemplateUnusable as error:
            raise ConfigurationRefused(str(error)) from None
    return templates


def _policy(fields: Mapping[str, object], notes: list[str]) -> str:
    if policy := _optional_text(fields, "policy"):
        return policy
    script = _optional_text(fields, "lua_script_path")
    if not script:
        return "default"
    policy = "studio" if script.rpartition("/")[2] in STUDIO_SCRIPTS else "default"
    notes.append(f"lua scripts are not run; the policy is {policy!r}")
    return policy


def _host(host: str, where: str) -> str:
    if not host.startswith(("http://", "https://")):
        raise ConfigurationRefused(f"{where}.host must be a URL with http or https")
    return host.rstrip("/")


def _priority(meta: object, where: str) -> float:
    value = meta.get("priority") if isinstance(meta, Mapping) else None
    if value is None:
        return 0.0
    try:
        return number(value, "priority")
    except PromptMalformed:
        raise ConfigurationRefused(f"{where}.meta.priority must be a number") from None


def _map(fields: Mapping[str, object], name: str, where: str | None = None) -> Mapping[str, object]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationRefused(f"{where or name} must be a map")
    return {str(key): item for key, item in value.items()}


def _text(fields: Mapping[str, object], name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ConfigurationRefused(f"{where}.{name} must be a string")
    return value


def _optional_text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationRefused(f"{name} must be a string")
    return value


def _flag(fields: Mapping[str, object], name: str, where: str, *, default: bool = False) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise ConfigurationRefused(f"{where}.{name} must be true or false")
    return default if value is None else value


def _positive(fields: Mapping[str, object], name: str, where: str, default: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < min(default, 1):
        raise ConfigurationRefused(f"{where}.{name} must be a positive whole number")
    return value


def _prompt_bytes(fields: Mapping[str, object]) -> int:
    value = fields.get("max_prompt_bytes")
    if value is None:
        return DEFAULT_PROMPT_BYTES
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_PROMPT_BYTES:
        raise ConfigurationRefused(
            f"max_prompt_bytes must be a whole number from 1 to {LARGEST_PROMPT_BYTES}"
        )
    return value


def _timeout(fields: Mapping[str, object], name: str, where: str) -> float | None:
    try:
        return seconds(fields.get(name))
    except TimeoutMalformed as error:
        raise ConfigurationRefused(f"{where}: {error}") from None

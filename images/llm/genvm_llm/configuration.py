"""The module's configuration: what a node posts, checked and filtered (modules 2.1, 2.3).

Numbers that are no integers may come as decimal text. Unknown keys are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

from genvm_llm.addresses import AddressRefused, address_of
from genvm_llm.fields import bounded, duration, flag, optional_text, positive, submap, text
from genvm_llm.merging import Json
from genvm_llm.models import Model, read_model
from genvm_llm.prompt import PromptMalformed, number
from genvm_llm.providers import PROVIDERS
from genvm_llm.retrying import Retry, read_retry
from genvm_llm.templates import KINDS, Template, TemplateUnusable, check_template
from genvm_llm.ways import Ways, proxy_of, read_ways
from genvm_module.contract import ConfigurationRefused

DEFAULT_TIMEOUT = 180.0
DEFAULT_CONCURRENCY = 16
DEFAULT_PROMPT_BYTES = 256 * 1024
DEFAULT_COMPARISON_BYTES = 16 * 1024
LARGEST_PROMPT_BYTES = 4 * 1024 * 1024
DEFAULT_FILE = Path(__file__).with_name("default-config.yaml")
STUDIO_SCRIPTS = frozenset({"llm.lua", "web.lua"})


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """`models` in the order of their names. `key` is never shown."""

    id: str
    provider: str
    address: str
    key: str = field(repr=False)
    models: tuple[Model, ...]
    priority: float = 0.0
    meta: Json = None
    timeout: float | None = None
    max_concurrent: int = DEFAULT_CONCURRENCY
    proxy: str | None = field(default=None, repr=False)


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
    max_comparison_bytes: int = DEFAULT_COMPARISON_BYTES
    """From a leader, in a comparison where the rest is much shorter (comparisons.py)."""
    guard_control_tokens: bool = True
    ways: Ways = field(default_factory=Ways)
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
    ways = read_ways(fields)
    backends = _backends(submap(fields, "backends"), ways.proxy, notes)
    if not backends and not allow_empty_backends:
        reasons = f" ({'; '.join(notes)})" if notes else ""
        raise ConfigurationRefused("no valid backend detected" + reasons)
    return Config(
        backends=backends,
        templates=_templates(submap(fields, "prompt_templates")),
        timeout=duration(fields, "timeout", "timeout") or DEFAULT_TIMEOUT,
        policy=_policy(fields, notes),
        policy_source=optional_text(fields, "policy_source"),
        retry=read_retry(fields.get("retry")),
        max_prompt_bytes=_bytes(fields, "max_prompt_bytes", DEFAULT_PROMPT_BYTES),
        max_comparison_bytes=_bytes(fields, "max_comparison_bytes", DEFAULT_COMPARISON_BYTES),
        guard_control_tokens=flag(fields, "guard_control_tokens", "configuration", default=True),
        ways=ways,
        meta=cast("Json", fields.get("meta")),
        log_level=str(fields.get("log_level") or "info"),
        notes=tuple(notes),
    )


def _backends(raw: Mapping[str, object], proxy: str | None, notes: list[str]) -> dict[str, BackendConfig]:
    """The enabled backends that have a model and a key."""
    kept: dict[str, BackendConfig] = {}
    for name in sorted(raw):
        where = f"backends.{name}"
        fields = submap(raw, name, where)
        if flag(fields, "enabled", where, default=True):
            backend = _backend(name, fields, proxy, where)
            if not backend.models:
                notes.append(f"backend {name!r} dropped: no enabled model")
            elif not backend.key and backend.provider != "ollama":
                notes.append(f"backend {name!r} dropped: its key is empty")
            else:
                kept[name] = backend
    return kept


def _backend(name: str, fields: Mapping[str, object], proxy: str | None, where: str) -> BackendConfig:
    provider = text(fields, "provider", where)
    if provider not in PROVIDERS:
        raise ConfigurationRefused(
            f"{where}.provider: {provider[:40]!r} is none of {', '.join(sorted(PROVIDERS))}"
        )
    meta = fields.get("meta")
    models = submap(fields, "models", f"{where}.models")
    return BackendConfig(
        id=name,
        provider=provider,
        address=_address(fields, provider, where),
        key=optional_text(fields, "key") or "",
        models=tuple(model for model_name in sorted(models) if (model := _model(model_name, models, where))),
        priority=_priority(meta, where),
        meta=cast("Json", meta),
        timeout=duration(fields, "timeout", where),
        proxy=proxy_of(fields, f"{where}.proxy", proxy),
        max_concurrent=positive(fields, "max_concurrent", where, DEFAULT_CONCURRENCY),
    )


def _model(name: str, models: Mapping[str, object], where: str) -> Model | None:
    where = f"{where}.models.{name}"
    return read_model(name, submap(models, name, where), where)


def _templates(raw: Mapping[str, object]) -> dict[str, Template]:
    defaults = submap(default_config(), "prompt_templates")
    templates: dict[str, Template] = {}
    for kind in KINDS.values():
        where = f"prompt_templates.{kind.key}"
        fields = submap(raw if kind.key in raw else defaults, kind.key, where)
        try:
            templates[kind.key] = check_template(
                kind.key, Template(text(fields, "system", where), text(fields, "user", where))
            )
        except TemplateUnusable as error:
            raise ConfigurationRefused(str(error)) from None
    return templates


def _policy(fields: Mapping[str, object], notes: list[str]) -> str:
    if policy := optional_text(fields, "policy"):
        return policy
    script = optional_text(fields, "lua_script_path")
    if not script:
        return "default"
    policy = "studio" if script.rpartition("/")[2] in STUDIO_SCRIPTS else "default"
    notes.append(f"lua scripts are not run; the policy is {policy!r}")
    return policy


def _address(fields: Mapping[str, object], provider: str, where: str) -> str:
    host, api_path = text(fields, "host", where), optional_text(fields, "api_path")
    try:
        return address_of(host, PROVIDERS[provider].api, api_path)
    except AddressRefused as error:
        raise ConfigurationRefused(f"{where}.host: {error}") from None


def _priority(meta: object, where: str) -> float:
    value = meta.get("priority") if isinstance(meta, Mapping) else None
    if value is None:
        return 0.0
    try:
        return number(value, "priority")
    except PromptMalformed:
        raise ConfigurationRefused(f"{where}.meta.priority must be a number") from None


def _bytes(fields: Mapping[str, object], name: str, default: int) -> int:
    return bounded(fields, name, "", LARGEST_PROMPT_BYTES) or default

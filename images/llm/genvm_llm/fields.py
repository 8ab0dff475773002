"""Reading one member of a configuration. All raise ConfigurationRefused, with where and without the value."""

from __future__ import annotations

from collections.abc import Mapping

from genvm_llm.timeouts import TimeoutMalformed, seconds
from genvm_module.contract import ConfigurationRefused


def submap(fields: Mapping[str, object], name: str, where: str | None = None) -> Mapping[str, object]:
    """Empty where there is none."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationRefused(f"{where or name} must be a map")
    return {str(key): item for key, item in value.items()}


def text(fields: Mapping[str, object], name: str, where: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise ConfigurationRefused(f"{where}.{name} must be a string")
    return value


def optional_text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise ConfigurationRefused(f"{name} must be a string")
    return value


def flag(fields: Mapping[str, object], name: str, where: str, *, default: bool = False) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise ConfigurationRefused(f"{where}.{name} must be true or false")
    return default if value is None else value


def positive(fields: Mapping[str, object], name: str, where: str, default: int) -> int:
    """From 1 up; 0 too where that is the default."""
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < min(default, 1):
        raise ConfigurationRefused(f"{where}.{name} must be a positive whole number")
    return value


def bounded(fields: Mapping[str, object], name: str, where: str, most: int) -> int | None:
    """A whole number from 1 to `most`, or None where there is none."""
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ConfigurationRefused(f"{where}{name} must be a whole number from 1 to {most}")
    return value


def duration(fields: Mapping[str, object], name: str, where: str) -> float | None:
    """Seconds."""
    try:
        return seconds(fields.get(name))
    except TimeoutMalformed as error:
        raise ConfigurationRefused(f"{where}: {error}") from None

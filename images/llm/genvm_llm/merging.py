"""Merging a prompt's `extra` fields into a request body (modules 2.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Strategy: TypeAlias = "str | Mapping[str, Strategy] | None"

_FRACTION = re.compile(r"-?[0-9]+\.[0-9]+")
NAMES = frozenset({"none", "replace", "merge_left", "merge_right"})


class MergeRefused(Exception):
    """The two values do not go together under the strategy, or there is no such strategy."""


def check_strategy(strategy: object) -> Strategy:
    """`strategy` itself. Raises MergeRefused when it is none."""
    if strategy is None or (isinstance(strategy, str) and strategy in NAMES):
        return strategy
    if isinstance(strategy, Mapping) and all(isinstance(key, str) for key in strategy):
        return {key: check_strategy(item) for key, item in strategy.items()}
    raise MergeRefused(f"unknown merge strategy {str(strategy)[:40]!r}")


def merge(existing: Json, extra: Json, strategy: Strategy = None) -> Json:
    """The merged value; the arguments stay as they are. Raises MergeRefused."""
    if isinstance(strategy, Mapping):
        return _by_key(existing, extra, strategy)
    match strategy:
        case None | "none":
            return _recursively(existing, extra)
        case "replace":
            return extra
        case "merge_left":
            return _joined(existing, extra)
        case "merge_right":
            return _joined(extra, existing)
    raise MergeRefused(f"unknown merge strategy {strategy[:40]!r}")


def _recursively(existing: Json, extra: Json) -> Json:
    if isinstance(existing, dict) and isinstance(extra, dict):
        return _by_key(existing, extra, {})
    if isinstance(existing, list) and isinstance(extra, list):
        raise MergeRefused("an array does not go onto an array; name a strategy")
    return extra


def _joined(first: Json, second: Json) -> Json:
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *second]
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    raise MergeRefused("only two arrays or two strings can be joined")


def _by_key(existing: Json, extra: Json, strategies: Mapping[str, Strategy]) -> Json:
    if not isinstance(existing, dict) or not isinstance(extra, dict):
        raise MergeRefused("strategies by key need an object on both sides")
    merged = dict(existing)
    for key, value in extra.items():
        merged[key] = merge(existing[key], value, strategies.get(key)) if key in existing else value
    return merged


def numeric(value: Json) -> Json:
    """A fraction that had to travel as text is a number again."""
    if isinstance(value, str) and _FRACTION.fullmatch(value):
        return float(value)
    if isinstance(value, dict):
        return {key: numeric(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numeric(item) for item in value]
    return value

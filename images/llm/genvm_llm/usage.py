"""What a provider says an answer cost (modules 2.6, 2.9)."""

from __future__ import annotations

from dataclasses import dataclass, field

from genvm_wire.calldata import Encodable

COUNT_LIMIT = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; what a provider does not tell is 0."""

    input: int = 0
    output: int = 0
    total: int = 0
    cache_read: int = 0
    cache_write: int = 0

    @property
    def any(self) -> bool:
        """Whether the provider told of any token."""
        return bool(self.input or self.output or self.total)


def count(value: object) -> int:
    """A token count as a provider wrote it, saturated at 32 bits; nonsense is 0.

    Servers in languages with one kind of number write `11.0`, and proxies `"11"`.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(COUNT_LIMIT)):
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return int(min(value, COUNT_LIMIT))
    return 0


def total(told: object, *parts: int) -> int:
    """The total that a provider told of; without one the sum of what it did tell."""
    return count(told) or count(sum(parts))


@dataclass(slots=True)
class ModelTotals:
    """Accumulated per `backend/model`."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    image_units: int = 0
    calls: int = 0
    error_count: int = 0
    milliseconds: int = 0
    fallbacks: int = 0
    """Answers that it gave after another model had failed."""
    failures: dict[str, int] = field(default_factory=dict)
    """By class (failures.Kind)."""

    def add(self, usage: Usage, images: int) -> None:
        self.input_tokens += usage.input
        self.output_tokens += usage.output
        self.total_tokens += usage.total
        self.cache_read_tokens += usage.cache_read
        self.cache_write_tokens += usage.cache_write
        self.image_units += images

    def failed(self, kind: str) -> None:
        self.error_count += 1
        self.failures[kind] = self.failures.get(kind, 0) + 1

    def counters(self) -> dict[str, Encodable]:
        counters: dict[str, Encodable] = {name: getattr(self, name) for name in self.__slots__}
        return {**counters, "failures": dict(self.failures)}

    def tokens(self) -> dict[str, Encodable]:
        """As in modules 1.11."""
        return {"input": self.input_tokens, "output": self.output_tokens, "total": self.total_tokens}

"""Keeping a configuration's secrets out of whatever a module says. Pure.

The modules redact by themselves; this is for what they overlook, such as a provider that repeats a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from genvm_wire.calldata import Value

SECRET_KEY = re.compile(r"key|token|secret|password|authorization|auth|cookie|credential", re.IGNORECASE)
SHORTEST = 5
"""Shorter values stand in every second sentence, and no key is that short."""
MASK = "***"


class Redaction:
    """Replaces known secrets in texts."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        found = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, found))) if found else None

    def __repr__(self) -> str:
        return "Redaction()"

    def text(self, text: str) -> str:
        return text if self._pattern is None else self._pattern.sub(MASK, text)

    def value(self, value: Value) -> Value:
        """`value` with every text in it redacted, keys included."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [self.value(item) for item in value]
            case dict():
                return {self.text(key): self.value(item) for key, item in value.items()}
            case _:
                return value


def secrets_in(config: Value, *, marked: bool = False) -> Iterator[str]:
    """Texts of an expanded configuration that stand, at any depth, under a secret-sounding key."""
    match config:
        case str() if marked:
            yield config
        case list():
            for item in config:
                yield from secrets_in(item, marked=marked)
        case dict():
            for key, item in config.items():
                yield from secrets_in(item, marked=marked or SECRET_KEY.search(key) is not None)

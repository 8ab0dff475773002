"""Keeping a configuration's secrets out of whatever a module says. Pure.

The modules redact by themselves; this is for what they overlook, such as a provider that repeats a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import cast

from genvm_wire.calldata import Value
from genvm_wire.masking import Mask

SECRET_KEY = re.compile(r"key|token|secret|password|authorization|auth|cookie|credential", re.IGNORECASE)
SHORTEST = 5
"""Shorter values stand in every second sentence, and no key is that short."""


class Redaction:
    """Replaces known secrets in texts, in every spelling that `Mask` knows."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._mask = Mask(secrets, shortest=SHORTEST)

    def __repr__(self) -> str:
        return "Redaction()"

    def text(self, text: str) -> str:
        return self._mask.text(text)

    def value(self, value: Value) -> Value:
        """`value` with every text in it redacted, keys included."""
        return cast("Value", self._mask.value(value))


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

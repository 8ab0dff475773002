"""Secrets in texts that others wrote: found in every usual spelling, and masked. Pure.

A provider or a page may repeat a key as it is, or as it travels inside something else: in JSON text, in a
URL, in base64 (where it looks different at each of three places), in hexadecimal digits.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "***"
SHORTEST = 8
"""Characters of a secret. Masking shorter values would tear up ordinary words."""
LONGEST_SPELT = 512
"""Characters up to which each may be written in a way of its own; longer ones are looked for as programs
write them as a whole."""
SHORTEST_PIECE = 8
"""Characters of base64 that do not depend on what stands beside the secret."""

_URL_SAFE = str.maketrans("+/", "-_")
_SIMPLE = {
    '"': r"\"",
    "\\": r"\\",
    "/": r"\/",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\b": r"\b",
    "\f": r"\f",
}


class Mask:
    """Puts `mask` in the place of each of `secrets`, as far as they are `shortest` characters long or more.

    `repr` shows none of them.
    """

    def __init__(self, secrets: Iterable[str] = (), *, mask: str = MASK, shortest: int = SHORTEST) -> None:
        kept = sorted({one for one in secrets if len(one) >= shortest}, key=len, reverse=True)
        self._mask = mask
        # Longest first: a secret that holds another goes whole.
        self._literal = [form for secret in kept for form in dict.fromkeys(_literal(secret))]
        spelt = (secret for secret in kept if len(secret) <= LONGEST_SPELT)
        self._escaped = [re.compile("".join(map(_character, secret))) for secret in spelt]

    def __repr__(self) -> str:
        return "Mask()"

    def text(self, text: str) -> str:
        for form in self._literal:
            if form in text:
                text = text.replace(form, self._mask)
        if "\\" in text or "%" in text:
            for pattern in self._escaped:
                text = pattern.sub(self._mask, text)
        return text

    def value(self, value: Any) -> Any:
        """`value` with every text in it masked, keys of maps included."""
        match value:
            case str():
                return self.text(value)
            case list() | tuple():
                return [self.value(item) for item in value]
            case dict():
                return {self.value(key): self.value(item) for key, item in value.items()}
            case _:
                return value


def _literal(secret: str) -> Iterator[str]:
    yield secret
    yield secret.lower()
    yield secret.upper()
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(secret, safe="", errors="surrogatepass")
    yield quote_plus(secret, errors="surrogatepass")
    data = secret.encode("utf-8", "surrogatepass")
    yield data.hex()
    yield data.hex().upper()
    for offset in range(3):
        packed = base64.b64encode(bytes(offset) + data).decode()
        # The first and the last characters hold bits of what stands beside the secret.
        inner = packed[(0, 2, 3)[offset] : len(packed) - (0, 3, 2)[(offset + len(data)) % 3]]
        if len(inner) >= SHORTEST_PIECE:
            yield inner
            yield inner.translate(_URL_SAFE)


def _character(char: str) -> str:
    """The character, also as JSON text or a URL may write it."""
    utf16, utf8 = char.encode("utf-16-be", "surrogatepass"), char.encode("utf-8", "surrogatepass")
    in_json = "".join(rf"\\u{utf16[at : at + 2].hex()}" for at in range(0, len(utf16), 2))
    in_url = "".join(f"%{byte:02x}" for byte in utf8)
    simple = [re.escape(_SIMPLE[char])] if char in _SIMPLE else []
    plus = [r"\+"] if char == " " else []
    return "(?:" + "|".join([*simple, re.escape(char), *plus, f"(?i:{in_json}|{in_url})"]) + ")"

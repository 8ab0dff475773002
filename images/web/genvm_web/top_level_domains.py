"""The labels that may end a host name: the IANA root zone, in its ASCII form (modules 3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import ada_url


@cache
def root_zone() -> frozenset[str]:
    """Every top-level domain, lower case, internationalised ones as `xn--…`."""
    text = (files("genvm_web") / "tld.txt").read_text(encoding="ascii")
    return frozenset(line for line in text.split() if line)


def ascii_label(label: str) -> str:
    """A label as host names carry it: lower case, internationalised ones as `xn--…`. Raises ValueError."""
    name = ada_url.idna_to_ascii(label.removeprefix("."))
    text = name.decode() if isinstance(name, bytes) else str(name)
    if not text or "." in text:
        raise ValueError(f"not a top-level domain: {label!r}")
    return text.lower()


def with_extra(labels: Iterable[str]) -> frozenset[str]:
    """The root zone and an operator's own labels. Raises ValueError for what is no label."""
    return root_zone() | {ascii_label(label) for label in labels}

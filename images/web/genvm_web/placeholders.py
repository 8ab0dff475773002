"""`#{name}` in signer settings, filled in per run (modules 2.2 and 3.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping

PLACEHOLDER = re.compile(r"#\{([a-zA-Z0-9_]*)\}")


class UnknownName(Exception):
    """A placeholder nobody supplies; the text is its name."""


def variables(host_data: Mapping[str, object]) -> dict[str, str]:
    """Every string-valued entry of `host_data`, `node_address` and `tx_id` among them."""
    return {key: value for key, value in host_data.items() if isinstance(value, str)}


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with every placeholder replaced, replacements not searched again. Raises UnknownName."""

    def replacement(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise UnknownName(match[1]) from None

    return PLACEHOLDER.sub(replacement, text)

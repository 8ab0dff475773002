"""How providers are reached: the authorities that vouch for them, and a proxy (docs/llm.md)."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from genvm_llm.fields import optional_text
from genvm_module.contract import ConfigurationRefused
from genvm_module.logs import REDACTOR

CA_VARIABLE = "GENVM_LLM_CA_FILE"
PROXY_VARIABLE = "GENVM_LLM_PROXY"
DIRECT = "none"


@dataclass(frozen=True, slots=True)
class Ways:
    """`tls`: None for the system's authorities alone. `proxy`: a URL, which may hold a password."""

    tls: ssl.SSLContext | None = None
    proxy: str | None = field(default=None, repr=False)


def read_ways(fields: Mapping[str, object]) -> Ways:
    """`ca_bundle` (PEM text) and `proxy`, else what the environment says. Blocks.

    Raises ConfigurationRefused.
    """
    bundle, file = optional_text(fields, "ca_bundle"), os.environ.get(CA_VARIABLE)
    return Ways(
        tls=_trusting(bundle, file) if bundle or file else None,
        proxy=proxy_of(fields, "proxy", os.environ.get(PROXY_VARIABLE)),
    )


def proxy_of(fields: Mapping[str, object], where: str, default: str | None) -> str | None:
    """`fields.proxy`: a URL, or "none" for no proxy; `default` where it is not set.

    Raises ConfigurationRefused.
    """
    proxy = optional_text(fields, "proxy") or default
    if not proxy or proxy == DIRECT:
        return None
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.path in ("", "/")
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationRefused(f"{where} must be a URL with http or https and no path, or {DIRECT!r}")
    if parts.password:
        REDACTOR.learn([parts.password])
    return proxy


def _trusting(bundle: str | None, file: str | None) -> ssl.SSLContext:
    """The system's authorities and the operator's own."""
    tls = ssl.create_default_context()
    try:
        if bundle:
            tls.load_verify_locations(cadata=bundle)
        if file:
            tls.load_verify_locations(file)
    except (OSError, ValueError) as error:
        name = "ca_bundle" if bundle else CA_VARIABLE
        raise ConfigurationRefused(f"{name} holds no certificates: {type(error).__name__}") from None
    return tls

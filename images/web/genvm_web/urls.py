"""Which URLs a contract may name (modules.md, 3.2).

A URL is parsed once, by the WHATWG rules that the browser follows too; later code uses the parsed parts and
their serialised form only, so that no second parser can understand it differently.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import ada_url

from genvm_module.errors import ModuleError
from genvm_web.public_addresses import address_literal

SCHEMES = {"http": 80, "https": 443}
OPEN_PORTS = frozenset(SCHEMES.values())


@dataclass(frozen=True, slots=True)
class WebUrl:
    """A checked URL.

    `href` is the serialised form less the fragment. `host` is lower-case ASCII, IPv6 in brackets. `path`
    starts with `/`; `query` starts with `?` or is empty. `allow_listed` hosts are exempt from the address
    filter.
    """

    href: str
    scheme: str
    host: str
    port: int
    path: str
    query: str
    allow_listed: bool = False

    @property
    def authority(self) -> str:
        """Host, with the port when it is not the scheme's own."""
        return self.host if self.port == SCHEMES[self.scheme] else f"{self.host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return self.path + self.query


class UrlRules:
    """The rules of one configuration; `allowed_hosts` are exact host names in the form of `WebUrl.host`."""

    def __init__(self, top_level_domains: Set[str], allowed_hosts: Set[str] = frozenset()) -> None:
        self._domains = top_level_domains
        self._allowed_hosts = allowed_hosts

    def allows_host(self, host: str) -> bool:
        """Whether a host is exempt from the rules on ports, domains and addresses."""
        return host in self._allowed_hosts

    def check(self, text: str, base: str | None = None) -> WebUrl:
        """Parse and judge, in the order of modules.md 3.2; `base` is what a relative reference belongs to.

        Raises ModuleError: MALFORMED_URL, SCHEMA_FORBIDDEN, PORT_FORBIDDEN or TLD_FORBIDDEN, none fatal.
        """
        url = _parse(text, base)
        scheme = url.protocol.removesuffix(":")
        if scheme not in SCHEMES:
            raise ModuleError("SCHEMA_FORBIDDEN", fatal=False, ctx={"schema": scheme, "url": text})
        if url.username or url.password:
            raise _malformed(text)
        url.hash = ""
        allowed = self.allows_host(url.hostname)
        port = int(url.port) if url.port else SCHEMES[scheme]
        if not allowed:
            self._judge(text, url.hostname, port)
        return WebUrl(url.href, scheme, url.hostname, port, url.pathname, url.search, allowed)

    def _judge(self, text: str, host: str, port: int) -> None:
        if port not in OPEN_PORTS:
            raise ModuleError("PORT_FORBIDDEN", fatal=False, ctx={"port": port, "url": text})
        name, dot, domain = host.rpartition(".")
        if not (name and dot) or domain not in self._domains or address_literal(host) is not None:
            raise ModuleError("TLD_FORBIDDEN", fatal=False, ctx={"tld": domain, "url": text})


def host_of(text: str, base: str) -> str | None:
    """The host a reference leads to, in the form of `WebUrl.host`; None when it is no URL."""
    try:
        return ada_url.URL(text, base=base).hostname
    except (ValueError, UnicodeError):
        return None


def _parse(text: str, base: str | None) -> ada_url.URL:
    try:
        return ada_url.URL(text, base=base) if base else ada_url.URL(text)
    except (ValueError, UnicodeError):
        raise _malformed(text) from None


def _malformed(text: str) -> ModuleError:
    return ModuleError("MALFORMED_URL", fatal=False, ctx={"url": text})

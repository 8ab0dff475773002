"""Which URLs a contract may name (modules 3.2).

A URL is parsed once, by the WHATWG rules that the browser follows too; later code uses the parsed parts and
their serialised form only, so that no second parser can understand it differently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import count
from unicodedata import bidirectional, category, is_normalized

import ada_url
import idna

from genvm_module.errors import ModuleError
from genvm_web.public_addresses import Address, Network, address_literal, is_public, meant
from genvm_wire.calldata import Encodable

SCHEMES = {"http": 80, "https": 443}
OPEN_PORTS = frozenset(SCHEMES.values())
LONGEST_URL = 65_534
"""Characters: what other nodes' clients send at most."""
LONGEST_HOST = 254
LONGEST_LABEL = 63
ENCODED = "xn--"
CARET, ENCODED_CARET = "^", "%5E"
_WORD = re.compile(r"_(?=(\d+)_)", re.ASCII)


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
    """The rules of one configuration, for both doors: requests and the browser.

    `allowed_hosts` are exact host names in the form of `WebUrl.host`; `own_networks` are addresses of the
    machine itself, which are as private as the others however public they look.
    """

    def __init__(
        self,
        top_level_domains: Set[str],
        allowed_hosts: Set[str] = frozenset(),
        own_networks: Sequence[Network] = (),
    ) -> None:
        self._domains = top_level_domains
        self._allowed_hosts = allowed_hosts
        self._own_networks = tuple(own_networks)

    def allows_host(self, host: str) -> bool:
        """Whether a host is exempt from the rules on ports, domains and addresses."""
        return host in self._allowed_hosts

    def check(self, text: str, base: str | None = None) -> WebUrl:
        """Parse and judge, in the order of modules 3.2; `base` is what a relative reference belongs to.

        Raises ModuleError: MALFORMED_URL, SCHEMA_FORBIDDEN, PORT_FORBIDDEN or TLD_FORBIDDEN, none fatal.
        """
        url = _parse(text, base)
        scheme = url.protocol.removesuffix(":")
        if scheme not in SCHEMES:
            raise ModuleError("SCHEMA_FORBIDDEN", fatal=False, ctx={"schema": scheme, "url": text})
        if url.username or url.password or not is_host(url.hostname):
            raise _malformed(text)
        url.hash = ""
        path = _path(url, text, base)
        href = url.href.replace(url.pathname, path, 1) if path != url.pathname else url.href
        allowed = self.allows_host(url.hostname)
        port = int(url.port) if url.port else SCHEMES[scheme]
        if not allowed and (refusal := self._refusal(url.hostname, port)) is not None:
            cause, ctx = refusal
            raise ModuleError(cause, fatal=False, ctx={**ctx, "url": text})
        return WebUrl(href, scheme, url.hostname, port, path, url.search, allowed)

    def permits(self, host: str, port: int) -> bool:
        """Whether a connection to a host may be asked for; its addresses are judged when it is made."""
        return self.allows_host(host) or (is_host(host) and self._refusal(host, port) is None)

    def permits_address(self, address: Address) -> bool:
        """Whether a contract may reach an address of a host that is not allow-listed."""
        reached = (address, meant(address))
        own = any(one in network for one in reached for network in self._own_networks)
        return is_public(address) and not own

    def _refusal(self, host: str, port: int) -> tuple[str, dict[str, Encodable]] | None:
        """The cause, and its context."""
        if port not in OPEN_PORTS:
            return "PORT_FORBIDDEN", {"port": port}
        name, dot, domain = host.rpartition(".")
        if not (name and dot) or domain not in self._domains or address_literal(host) is not None:
            return "TLD_FORBIDDEN", {"tld": domain}
        return None


def is_host(host: str) -> bool:
    """Whether a name server could be asked for it: lengths, and encoded labels that stand for words."""
    if host.startswith("["):
        return True
    labels = host.removesuffix(".").split(".")
    if len(host) > LONGEST_HOST or not all(0 < len(label) <= LONGEST_LABEL for label in labels):
        return False
    if not any(label.startswith(ENCODED) for label in labels):
        return True
    words = [word for label in labels if (word := _word(label)) is not None]
    readable = len(words) == len(labels) and _in_one_direction(words)
    return readable and _encoded(".".join(words)) == host.removesuffix(".")


def _word(label: str) -> str | None:
    """What an encoded label stands for; null when that is nothing, or should not have been encoded."""
    if not label.startswith(ENCODED):
        return label
    try:
        word = label.removeprefix(ENCODED).encode("ascii").decode("punycode")
        again = word.encode("punycode").decode("ascii")
    except (UnicodeError, ValueError):
        return None
    if word.isascii() or again != label.removeprefix(ENCODED):
        return None
    return word if is_normalized("NFC", word) and category(word[0])[0] != "M" else None


def _in_one_direction(words: Sequence[str]) -> bool:
    """RFC 5893: beside a word from right to left, no label may begin or end with what has no direction."""
    if not any(bidirectional(char) in ("R", "AL", "AN") for word in words for char in word):
        return True
    try:
        return all(idna.check_bidi(word, check_ltr=True) for word in words)
    except idna.IDNAError:
        return False


def _encoded(host: str) -> str | None:
    """The ASCII form of a host of words: another one than they had when a word may not stand so."""
    try:
        return ada_url.URL(f"http://{host}/").hostname
    except (ValueError, UnicodeError):
        return None


def host_of(text: str, base: str) -> str | None:
    """The host a reference leads to, in the form of `WebUrl.host`; None when it is no URL."""
    try:
        return ada_url.URL(text, base=base).hostname
    except (ValueError, UnicodeError):
        return None


def _parse(text: str, base: str | None) -> ada_url.URL:
    if len(text) > LONGEST_URL:
        raise ModuleError("MALFORMED_URL", fatal=False, ctx={"url": text[:LONGEST_URL]})
    try:
        return ada_url.URL(text, base=base) if base else ada_url.URL(text)
    except (ValueError, UnicodeError):
        raise _malformed(text) from None


def _path(url: ada_url.URL, text: str, base: str | None) -> str:
    """The path, with `^` as it was written: the parser encodes it, as newer browsers do; nodes do not.

    Found out by parsing again with a word in its place, which must change nothing else.
    """
    if ENCODED_CARET not in url.pathname or CARET not in text + (base or ""):
        return url.pathname
    word = _unused_word(text + (base or ""))
    marked = _parse(text.replace(CARET, word), base and base.replace(CARET, word))
    same = (
        marked.pathname.replace(word, ENCODED_CARET) == url.pathname
        and marked.search.replace(word, CARET) == url.search
        and (marked.protocol, marked.host) == (url.protocol, url.host)
    )
    return marked.pathname.replace(word, CARET) if same else url.pathname


def _unused_word(text: str) -> str:
    """One that is no scheme either. What is there is read once: who names them all would pay for each."""
    used = set(_WORD.findall(text))
    return next(f"_{number}_" for number in count() if str(number) not in used)


def _malformed(text: str) -> ModuleError:
    return ModuleError("MALFORMED_URL", fatal=False, ctx={"url": text})

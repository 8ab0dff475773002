"""Which headers leave the node, and how those of an answer come back (modules 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from genvm_module.errors import ModuleError

PRODUCT = b"genvm-web/0.1"

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
# Line breaks would start another header; the other control characters no HTTP library sends.
FORBIDDEN_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# What the client itself decides, or what the signature must vouch for.
DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "genlayer-node-address",
        "genlayer-salt",
        "genlayer-tx-id",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
DROPPED_PREFIXES = ("@", "proxy-")
DROPPED_WHEN_SIGNING = frozenset({"signature", "signature-input", "content-digest"})

# What says who asks: it stays with the origin it was meant for.
BOUND_TO_ORIGIN = frozenset({"authorization", "cookie"})
BOUND_PREFIXES = ("genlayer-", "signature")

# They describe a body that is no longer what arrives.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "trailer", "transfer-encoding", "upgrade"}
)


def cleaned(headers: Mapping[str, bytes], *, signing: bool) -> dict[str, bytes]:
    """What of a contract's headers is sent; names in lower case, of equal ones the last.

    Raises ModuleError, not fatal, for a name or value that HTTP does not have.
    """
    result: dict[str, bytes] = {}
    for original, value in headers.items():
        name = original.lower()
        if name in DROPPED or name.startswith(DROPPED_PREFIXES):
            continue
        if signing and name in DROPPED_WHEN_SIGNING:
            continue
        if TOKEN.fullmatch(name) is None:
            raise ModuleError("DESERIALIZING", fatal=False, ctx={"rust_error": "invalid header name"})
        result[name] = _valid(value)
    return result


def _valid(value: bytes) -> bytes:
    detail = None
    if FORBIDDEN_IN_VALUE.search(value):
        detail = "a control character in a header value"
    else:
        try:
            value.decode()
        except UnicodeDecodeError:
            detail = "a header value that is not UTF-8"
    if detail is not None:
        raise ModuleError("invalid header value", fatal=False, ctx={"rust_error": detail})
    return value.strip(b" \t")


def encodings_asked_for(wanted: bytes | None) -> bytes:
    """An `Accept-Encoding` of what the module undoes: gzip, unless the contract wants bytes as they are."""
    if wanted is None:
        return b"gzip"
    offers = (offer.partition(b";") for offer in wanted.lower().split(b","))
    refused = {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    taken = {name.strip() for name, _, weight in offers if weight.replace(b" ", b"") not in refused}
    return b"gzip" if taken & {b"gzip", b"x-gzip", b"*"} else b"identity"


def for_other_origin(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a redirect to another origin may take along."""
    return {
        name: value
        for name, value in headers.items()
        if name not in BOUND_TO_ORIGIN and not name.startswith(BOUND_PREFIXES)
    }


def without_body(headers: Mapping[str, bytes]) -> dict[str, bytes]:
    """Headers of a request whose body was dropped by a redirect."""
    return {name: value for name, value in headers.items() if not name.startswith("content-")}


def folded(raw: Iterable[tuple[bytes, bytes]], *, decoded: bool) -> dict[str, bytes]:
    """An answer's headers, names lower case, repeated ones joined with `, `.

    `set-cookie` is dropped: joined it means something else, and no cookie is ever kept. `decoded` leaves out
    what described the body before it was decompressed.
    """
    left_out = HOP_BY_HOP | {"set-cookie"}
    if decoded:
        left_out |= {"content-encoding", "content-length"}
    result: dict[str, bytes] = {}
    for raw_name, value in raw:
        name = raw_name.decode("latin-1").lower()
        if name not in left_out:
            result[name] = result[name] + b", " + value if name in result else value
    return result

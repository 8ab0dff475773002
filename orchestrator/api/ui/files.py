"""The page's own files, read once, and the rules that a browser keeps for them.

They are the same for everybody and hold nothing of this manager: no token is needed for them, as a browser
could send none with an address that a person types. What they show, they ask the API for.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from aiohttp import hdrs, web

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # No text becomes markup, whoever writes the page next.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Asked for again each time, and answered with nothing where nothing has changed.
    hdrs.CACHE_CONTROL: "no-cache",
}
TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "txt": "text/plain",
}
PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent; `mark` changes with its bytes."""

    body: bytes
    content_type: str
    mark: str


def _read(folder: Traversable) -> dict[str, File]:
    """All files below, by their own names: no two have the same."""
    found: dict[str, File] = {}
    for one in folder.iterdir():
        if one.is_dir():
            found |= _read(one)
        elif (kind := one.name.rpartition(".")[2]) in TYPES:
            body = one.read_bytes()
            found[one.name] = File(body, TYPES[kind], f'"{sha256(body).hexdigest()[:20]}"')
    return found


FILES = _read(files(__package__).joinpath("static"))


def answer(request: web.Request, name: str) -> web.Response | None:
    """The file of that name; null: there is none."""
    file = FILES.get(name)
    if file is None:
        return None
    headers = {**HEADERS, hdrs.ETAG: file.mark}
    if file.mark in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)

"""One HTTP exchange with a provider, bounded in size; failures are `ProviderFailed` (modules 1.10, 2.6).

Redirects are not followed: the key would travel with them.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import aiohttp
from yarl import URL

from genvm_llm.addresses import url_of
from genvm_llm.failures import Kind, ProviderFailed, kind_of_status
from genvm_llm.masks import mask_of
from genvm_llm.merging import Json
from genvm_llm.pictures import beside
from genvm_llm.providers.exchange import Call
from genvm_llm.providers.faults import wait_said
from genvm_llm.waits import wait_in
from genvm_module.answer_heads import keeping_answers
from genvm_module.unpacking import GZIP_NAMES, MOST_TIMES, BodyBroken, Packing, read_within

USER_AGENT = "genvm-llm"
PACKINGS = "gzip, deflate"
NOT_ASKED_FOR = frozenset({"br", "zstd"})
"""Some servers pack so whatever is asked for."""
_PACKING_NAMES = {**dict.fromkeys(GZIP_NAMES, Packing.GZIP), Packing.DEFLATE.value: Packing.DEFLATE}
BODY_FLOOR = 16 * 1024 * 1024
BYTES_PER_TOKEN = 16
BODY_CEILING = 32 * 1024 * 1024
ERROR_BODY_LIMIT = 1024
"""Characters of an error's body that are told."""
ERROR_BODY_READ = 16 * 1024
"""Bytes of it that are looked through for how long to wait."""
LONGEST_HEADER = 32 * 1024
"""Bytes; gateways in front of providers send policies and cookies that are longer than the client expects."""
LONGEST_SPELLING = 6
"""Characters for one of a key's, where it is written in escapes."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Posted:
    """A 200 reply: its body, and how long it asks to be left alone, in seconds."""

    body: bytes
    wait: float | None = None


def http_session(tls: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """A client without cookies, without proxies from the environment, without a limit of its own.

    `tls`: None for the system's authorities.
    """
    return aiohttp.ClientSession(
        connector=keeping_answers(aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ssl=tls or True)),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": PACKINGS},
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
        max_line_size=LONGEST_HEADER,
        max_field_size=LONGEST_HEADER,
    )


def body_limit(max_tokens: int) -> int:
    """Bytes that a reply may have."""
    return min(BODY_FLOOR + BYTES_PER_TOKEN * max_tokens, BODY_CEILING)


def written(call: Call) -> bytes:
    """Its body as JSON. Raises ValueError.

    Step by step, so that other threads go on in between: what a check sends may hold many thousand numbers.
    """
    return "".join(_ENCODER.iterencode(call.body)).encode()


async def post(
    http: aiohttp.ClientSession,
    address: str,
    call: Call,
    key: str,
    limit: int,
    *,
    proxy: str | None = None,
    images: Sequence[bytes] = (),
) -> Posted:
    """A 200 reply. Raises ProviderFailed; cancelling closes the connection. `images`: those in the call."""
    url = url_of(address, call.path)
    shown = _shown(url, key)
    try:
        async with http.post(
            URL(url, encoded=True),
            data=await beside(images, partial(written, call)),
            headers={**call.headers, "Content-Type": "application/json"},
            allow_redirects=False,
            proxy=proxy,
        ) as response:
            if response.status != 200:
                raise await _refused(response, shown, key)
            return Posted(await _body(response, shown, limit), wait_in(response.headers))
    except aiohttp.ClientError as error:
        raise _not_sent(shown, error, key) from None
    except (OSError, ValueError) as error:
        # A key with a line break, a host that is no URL: the client words it with the value in it.
        raise _not_sent(shown, type(error).__name__, key) from None


async def fetched(
    http: aiohttp.ClientSession, url: str, key: str, limit: int, *, proxy: str | None = None
) -> Json:
    """The object that a GET of `url` is answered with under 200 and that is no error; None for all else."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with http.get(
            URL(url, encoded=True), headers=headers, allow_redirects=False, proxy=proxy
        ) as response:
            body = await _bounded(response, limit)
            found = json.loads(body) if response.status == 200 and len(body) <= limit else None
    except (aiohttp.ClientError, BodyBroken, OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not found.get("error") else None


async def _body(response: aiohttp.ClientResponse, url: str, limit: int) -> bytes:
    ctx: dict[str, object] = {"url": url, "status": response.status}
    try:
        body = await _bounded(response, limit)
    except (aiohttp.ClientError, BodyBroken, OSError) as error:
        ctx["rust_error"] = type(error).__name__
        raise ProviderFailed("READING_BODY", Kind.NETWORK_ERROR, ctx=ctx) from None
    if len(body) > limit:
        ctx["rust_error"] = f"the reply is longer than {limit} bytes"
        raise ProviderFailed("READING_BODY", Kind.UNKNOWN, ctx=ctx)
    return body


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or its beginning of a little more than `limit` bytes. Raises BodyBroken, too."""
    packings = _packings_of(response.headers.getall("Content-Encoding", ()))
    packing = packings[0] if packings else None
    # Some gateways never end what they pack as gzip; JSON says itself whether it is whole.
    return await read_within(
        response.content.iter_any(),
        packing,
        limit,
        times=max(1, len(packings)),
        to_its_end=packing is not Packing.GZIP,
    )


def _packings_of(said: Iterable[str]) -> list[Packing]:
    """The same, as often as it is said. Raises BodyBroken for one that was not asked for, and for several."""
    names = [name.strip().lower() for value in said for name in value.split(",")]
    packings = [_PACKING_NAMES[name] for name in names if name in _PACKING_NAMES]
    if NOT_ASKED_FOR.intersection(names) or len(set(packings)) > 1 or len(packings) > MOST_TIMES:
        raise BodyBroken("packed in a way that was not asked for")
    return packings


async def _refused(response: aiohttp.ClientResponse, url: str, key: str) -> ProviderFailed:
    body = b""
    with suppress(aiohttp.ClientError, BodyBroken, OSError):
        # More than is told: a key which begins within that limit is whole.
        body = await _bounded(response, ERROR_BODY_READ + LONGEST_SPELLING * len(key))
    text = mask_of(key).text(body.decode("utf-8", "replace"))[:ERROR_BODY_LIMIT]
    wait = wait_in(response.headers)
    return ProviderFailed(
        "STATUS_NOT_OK",
        kind_of_status(response.status),
        ctx={"url": url, "status": response.status, "body": text},
        retry_after=wait_said(body) if wait is None else wait,
    )


def _not_sent(url: str, error: object, key: str) -> ProviderFailed:
    text = str(error) or type(error).__name__
    return ProviderFailed(
        "SENDING_REQUEST",
        Kind.NETWORK_ERROR,
        ctx={"url": url, "rust_error": mask_of(key).text(text)},
    )


def _shown(url: str, key: str) -> str:
    """The URL as errors may name it: without user-info and without a key somebody put into it."""
    with suppress(ValueError):
        url = str(URL(url, encoded=True).with_user(None))
    return mask_of(key).text(url)

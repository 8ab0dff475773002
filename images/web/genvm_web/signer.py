"""The service that holds the node's key and signs requests with it (modules 3.6).

It is the operator's own: reached wherever it is, and its failures abort the run, because a node that cannot
sign has observed nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Mapping, Sequence

import ada_url
import aiohttp

from genvm_module.answer_heads import keeping_answers
from genvm_module.egress.rules import is_no_service
from genvm_module.errors import ModuleError
from genvm_web import configuration
from genvm_web.http_client import Outgoing, Pinned
from genvm_web.http_failures import described
from genvm_web.network import Endpoint, LookupFailed, Network
from genvm_web.placeholders import UnknownName, filled, variables
from genvm_web.public_addresses import address_literal
from genvm_web.signing import SALT_BYTES, identity_headers, signature_base
from genvm_web.urls import SCHEMES

# Longer than any signature; more is not one.
LONGEST_SIGNATURE = 4096
LONGEST_URL = 2048


class Signer:
    """Signs requests of runs; `clock` gives Unix seconds, `salt` fresh random bytes."""

    def __init__(
        self,
        settings: configuration.Signer,
        timeout: float,
        tls: ssl.SSLContext,
        network: Network,
        *,
        clock: Callable[[], float] = time.time,
        salt: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._tls = tls
        self._network = network
        self._clock = clock
        self._salt = salt

    async def sign(self, request: Outgoing, host_data: Mapping[str, object]) -> Outgoing:
        """The request with its identity and signature headers. Raises ModuleError, always fatal."""
        values = variables(host_data)
        url, headers = self._addressed(values)
        try:
            async with asyncio.timeout(self._timeout):
                where = await self._found(url)
        except TimeoutError:
            raise _failed("SIGN_URL_SEND_FAILED", f"no address within {self._timeout:g} s") from None
        added = identity_headers(
            values.get("node_address", ""), values.get("tx_id", ""), self._salt(SALT_BYTES), request.body
        )
        base = signature_base(request.method, request.url, added, int(self._clock()))
        signature = await self._ask(url.href, headers, base.text, where)
        signed = {**request.headers, **added, **base.headers(signature)}
        return Outgoing(request.method, request.url, signed, request.body)

    def _addressed(self, values: Mapping[str, str]) -> tuple[ada_url.URL, dict[str, str]]:
        try:
            text = filled(self._settings.url, values)
            if len(text) > LONGEST_URL:
                raise ValueError
            url = ada_url.URL(text)
            headers = {name: filled(value, values) for name, value in self._settings.headers.items()}
        except UnknownName as error:
            raise _failed("SIGN_URL_PATCH_FAILED", f"nothing is called {error}") from None
        except ValueError:
            raise _failed("SIGN_URL_PATCH_FAILED", "the signer's address is not a URL") from None
        return url, headers

    async def _found(self, url: ada_url.URL) -> list[Endpoint]:
        """Where it may be: a run's client who names it could name what gives a machine's own keys away."""
        literal = address_literal(url.hostname)
        try:
            found = [literal] if literal is not None else await self._network.resolve(url.hostname)
        except LookupFailed:
            raise _failed("SIGN_URL_SEND_FAILED", "its name has no address") from None
        named_by_run = "#{" in self._settings.url
        good = [address for address in found if not (named_by_run and is_no_service(address))]
        if not good:
            raise _failed("SIGN_URL_SEND_FAILED", "the address is no signer's")
        port = int(url.port or SCHEMES.get(url.protocol.removesuffix(":"), 0))
        return [Endpoint(str(address), port) for address in good]

    async def _ask(
        self, url: str, headers: Mapping[str, str], text: bytes, where: Sequence[Endpoint]
    ) -> bytes:
        cause = "SIGN_URL_SEND_FAILED"
        try:
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession(
                    connector=keeping_answers(
                        aiohttp.TCPConnector(
                            resolver=Pinned(where), use_dns_cache=False, ssl=self._tls, force_close=True
                        )
                    ),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=None),
                    trust_env=False,
                ) as session,
                session.post(url, data=text, headers=headers, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise ModuleError("SIGN_URL_BAD_STATUS", fatal=True, ctx={"status": str(response.status)})
                cause = "SIGN_URL_READ_FAILED"
                signature = await response.content.read(LONGEST_SIGNATURE + 1)
                while len(signature) <= LONGEST_SIGNATURE and (more := await response.content.readany()):
                    signature += more
        except TimeoutError:
            raise _failed(cause, f"no answer within {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failed(cause, described(error)) from None
        if not 0 < len(signature) <= LONGEST_SIGNATURE:
            raise _failed("SIGN_URL_READ_FAILED", f"a signature of {len(signature)} bytes or more")
        return signature


def _failed(cause: str, error: str) -> ModuleError:
    return ModuleError(cause, fatal=True, ctx={"error": error})

"""The service that holds the node's key and signs requests with it (modules.md, 3.6).

It is the operator's own: reached wherever it is, and its failures abort the run, because a node that cannot
sign has observed nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Mapping

import ada_url
import aiohttp

from genvm_module.errors import ModuleError
from genvm_web import configuration
from genvm_web.http_client import Outgoing
from genvm_web.http_failures import described
from genvm_web.placeholders import UnknownName, filled, variables
from genvm_web.signing import SALT_BYTES, identity_headers, signature_base

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
        *,
        clock: Callable[[], float] = time.time,
        salt: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._settings = settings
        self._timeout = timeout
        self._tls = tls
        self._clock = clock
        self._salt = salt

    async def sign(self, request: Outgoing, host_data: Mapping[str, object]) -> Outgoing:
        """The request with its identity and signature headers. Raises ModuleError, always fatal."""
        values = variables(host_data)
        url, headers = self._addressed(values)
        added = identity_headers(
            values.get("node_address", ""), values.get("tx_id", ""), self._salt(SALT_BYTES), request.body
        )
        base = signature_base(request.method, request.url, added, int(self._clock()))
        signature = await self._ask(url, headers, base.text)
        signed = {**request.headers, **added, **base.headers(signature)}
        return Outgoing(request.method, request.url, signed, request.body)

    def _addressed(self, values: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        try:
            url = filled(self._settings.url, values)
            if len(url) > LONGEST_URL:
                raise ValueError
            url = ada_url.URL(url).href
            headers = {name: filled(value, values) for name, value in self._settings.headers.items()}
        except UnknownName as error:
            raise _failed("SIGN_URL_PATCH_FAILED", f"nothing is called {error}") from None
        except ValueError:
            raise _failed("SIGN_URL_PATCH_FAILED", "the signer's address is not a URL") from None
        return url, headers

    async def _ask(self, url: str, headers: Mapping[str, str], text: bytes) -> bytes:
        cause = "SIGN_URL_SEND_FAILED"
        try:
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True),
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

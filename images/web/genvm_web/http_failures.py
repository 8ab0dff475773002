"""What a failed exchange means: something observed, or nothing at all (modules 1.10).

A refused connection or a bad certificate is something every node can see, so a contract may. A missing
route, no file descriptors or no name server say nothing about the remote: they abort the run, and the node
does not vote.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Mapping

import aiohttp

from genvm_module.errors import ModuleError
from genvm_web.network import AddressForbidden, LookupFailed, NoRoute, ResolverDown
from genvm_web.observations import REFUSED_CONNECTION

# Not EHOSTUNREACH: far routers say so too; whether this host has a route is asked before (`network.checked`).
LOCAL_ERRORS = frozenset(
    {
        errno.EACCES,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EPERM,
    }
)


def lookup_failure(url: str, error: LookupFailed) -> ModuleError:
    """ADDRESS_FORBIDDEN, or SENDING_REQUEST, fatal only when no name server answered or there is no route."""
    cause = "ADDRESS_FORBIDDEN" if isinstance(error, AddressForbidden) else "SENDING_REQUEST"
    fatal = isinstance(error, NoRoute | ResolverDown)
    return ModuleError(cause, fatal=fatal, ctx={"url": url, "rust_error": str(error)})


def sending_failure(url: str, error: aiohttp.ClientError | OSError | str) -> ModuleError:
    """SENDING_REQUEST for an exchange that failed before its status line."""
    fatal = isinstance(error, Exception) and is_local(error)
    text = error if isinstance(error, str) else described(error)
    return ModuleError("SENDING_REQUEST", fatal=fatal, ctx={"url": url, "rust_error": text})


def reading_failure(
    url: str, status: int, headers: Mapping[str, bytes], reason: str, *, fatal: bool = False
) -> ModuleError:
    """READING_BODY for an answer whose body could not be taken whole."""
    ctx = {"url": url, "status": status, "headers": headers, "rust_error": reason}
    return ModuleError("READING_BODY", fatal=fatal, ctx=ctx)


def is_local(error: Exception) -> bool:
    """Whether a transport failure is this node's own."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    # The numbers of TLS errors are none of the system's.
    if not isinstance(cause, OSError) or isinstance(cause, ssl.SSLError):
        return False
    return cause.errno in LOCAL_ERRORS


def described(error: BaseException) -> str:
    """Low-level error text without addresses, which differ from node to node."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = error.certificate_error
        return f"certificate refused: {getattr(reason, 'verify_message', '') or type(reason).__name__}"
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        if isinstance(inner, ssl.SSLError):
            return f"TLS failed: {inner.reason or type(inner).__name__}"
        if is_local(error):
            return f"connecting failed: {errno.errorcode.get(inner.errno or 0, type(inner).__name__)}"
        return REFUSED_CONNECTION
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without an answer"
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, "connection failed")
    return type(error).__name__

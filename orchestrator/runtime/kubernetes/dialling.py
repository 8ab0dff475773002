"""Dialling a Pod's connector: a connection over which both sides have proved themselves."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from genvm_wire.hello import (
    NONCE_SIZE,
    Hello,
    Meeting,
    Purpose,
    Side,
    fingerprint_of,
    fresh_nonce,
    hello_in,
)
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.port import ChannelClosed, ProtocolBroken

RETRY_S, LONGEST_RETRY_S, RETRY_GROWTH = 0.04, 0.1, 1.5
"""Between two tries while nobody listens yet: the address is known a moment before that.

A try costs as much as a small call; a connector needs a tenth of a second, and its executor longer.
"""
OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
)
"""A Pod that vanished with its node says nothing of it. And an order and its job are two small writes, of
which the second would wait for a word about the first: asyncio sees to that for sockets of its own only."""
PROOF_S = 5.0
"""For the handshake and the three frames. The connector hangs up after 2 s."""


def client_tls() -> ssl.SSLContext:
    """TLS 1.3, and no authority: what the certificate is bound to is the proof."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def dial(
    address: str,
    port: int,
    token: str,
    tls: ssl.SSLContext,
    *,
    purpose: Purpose = Purpose.CONTROL,
    number: int | None = None,
    patience: float = PROOF_S,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> StreamControl:
    """A proved connection. Tries for as long as its caller waits while the connector is not there.

    Raises ProtocolBroken when who answers is not the connector of this instance.
    """
    wait = RETRY_S
    while True:
        try:
            async with asyncio.timeout(patience):
                return await _proved(await _connected(address, port, tls), token, purpose, number)
        except (OSError, ChannelClosed):
            # Refused, or hung up on: it is starting (again), or has too many who have not proved themselves.
            await pause(wait)
            wait = min(wait * RETRY_GROWTH, LONGEST_RETRY_S)


async def _connected(address: str, port: int, tls: ssl.SSLContext) -> StreamControl:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        sock.setblocking(False)
        for option in OPTIONS:
            sock.setsockopt(*option)
        # Before there is anything of TLS: most tries are refused.
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return StreamControl(*await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=address))


async def _proved(control: StreamControl, token: str, purpose: Purpose, number: int | None) -> StreamControl:
    try:
        theirs = (await control.receive(hello_in)).nonce
        if theirs is None or len(theirs) != NONCE_SIZE:
            raise ProtocolBroken("the connector's hello has no nonce")
        meeting = Meeting(purpose, number, theirs, fresh_nonce(), fingerprint_of(control.certificate))
        proof = meeting.proof(Side.MANAGER, token)
        await control.send(Hello(meeting.managers_nonce, proof, purpose.value, number))
        if not meeting.is_proof(Side.CONNECTOR, token, (await control.receive(hello_in)).proof):
            raise ProtocolBroken("what answers at the Pod's address is not its connector")
    except BaseException:
        control.close()
        raise
    return control

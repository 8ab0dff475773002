"""An encrypted connection and the hello over it, from both of its sides."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from genvm_connector.identity import Identity
from genvm_wire.frames import HEADER_SIZE, body_length, decode_body, encode_frame
from genvm_wire.hanging_up import hang_up
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
from genvm_wire.messages import Message

LONGEST_HELLO = 1024
KEEPALIVE = ((socket.TCP_KEEPIDLE, 10), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 3))
"""Who vanished without a word, with its machine, is found to be gone after half a minute."""

KeyOf = Callable[[Purpose, "int | None"], "str | None"]
"""The secret that a connection is proved with; null: nobody is expected."""


class Unproved(Exception):
    """Who is there has not shown that it is who it should be."""


class Link:
    """Owns the connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def frame(self, limit: int) -> bytes:
        """The body of the next frame. Raises FrameError, asyncio.IncompleteReadError, OSError."""
        header = await self.reader.readexactly(HEADER_SIZE)
        return await self.reader.readexactly(body_length(header, limit))

    async def send(self, data: bytes) -> None:
        """Raises OSError."""
        self.writer.write(data)
        await self.writer.drain()

    async def say(self, message: Message) -> None:
        """Raises OSError."""
        await self.send(encode_frame(message.as_map()))

    async def hello(self) -> Hello:
        """Raises FrameError, asyncio.IncompleteReadError, OSError."""
        return hello_in(decode_body(await self.frame(LONGEST_HELLO)))

    def close(self) -> None:
        """At once; idempotent."""
        hang_up(self.writer)


def keep_alive(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


async def accepted(sock: socket.socket, tls: ssl.SSLContext) -> Link:
    """Raises OSError, ssl.SSLError."""
    loop = asyncio.get_running_loop()
    keep_alive(sock)
    # The loop does so only where a socket says what its protocol is, which accepted ones do not. Held back
    # until the manager has acknowledged what was said before, a result would come 40 ms late.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, ssl=tls)
    return Link(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def client_tls() -> ssl.SSLContext:
    """TLS 1.3, and no authority: what the certificate is bound to is the proof."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


async def hear(link: Link, identity: Identity, key_of: KeyOf) -> tuple[Purpose, int | None]:
    """Who has knocked here, once it has proved itself, and this side to it.

    Raises Unproved, FrameError, asyncio.IncompleteReadError, OSError.
    """
    nonce = fresh_nonce()
    await link.say(Hello(nonce))
    said = await link.hello()
    if said.nonce is None or len(said.nonce) != NONCE_SIZE:
        raise Unproved("a hello without a nonce")
    try:
        purpose = Purpose(said.role or "")
    except ValueError:
        raise Unproved("a hello for nothing") from None
    key = key_of(purpose, said.number)
    meeting = Meeting(purpose, said.number, nonce, said.nonce, identity.fingerprint)
    if key is None or not meeting.is_proof(Side.MANAGER, key, said.proof):
        raise Unproved("no proof")
    await link.say(Hello(proof=meeting.proof(Side.CONNECTOR, key)))
    return purpose, said.number


async def call(address: tuple[str, int], purpose: Purpose, number: int, key: str) -> Link:
    """A connection to another connector, both sides proved. Raises like `hear`."""
    reader, writer = await asyncio.open_connection(*address, ssl=client_tls())
    link = Link(reader, writer)
    try:
        theirs = (await link.hello()).nonce
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
        if theirs is None or len(theirs) != NONCE_SIZE:
            raise Unproved("a hello without a nonce")
        meeting = Meeting(purpose, number, theirs, fresh_nonce(), fingerprint_of(certificate))
        proof = meeting.proof(Side.MANAGER, key)
        await link.say(Hello(meeting.managers_nonce, proof, purpose.value, number))
        if not meeting.is_proof(Side.CONNECTOR, key, (await link.hello()).proof):
            raise Unproved("who answers is not the one that is meant")
    except BaseException:
        link.close()
        raise
    return link

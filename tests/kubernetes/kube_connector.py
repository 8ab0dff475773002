"""The connector's end of the hello, scripted: it listens as one in a Pod does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass, field

import trustme

from genvm_module.listening import stop_listening
from genvm_wire.hello import (
    Hello,
    Meeting,
    Purpose,
    Side,
    fingerprint_of,
    fresh_nonce,
    hello_in,
)
from orchestrator.runtime.kubernetes.stream_control import StreamControl
from orchestrator.runtime.port import RuntimeFailure


@dataclass
class Identity:
    """A certificate that nobody vouches for."""

    context: ssl.SSLContext
    fingerprint: bytes


def fresh_identity() -> Identity:
    leaf = trustme.CA().issue_cert("genvm")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    leaf.configure_cert(context)
    pem = leaf.cert_chain_pems[0].bytes().decode()
    return Identity(context, fingerprint_of(ssl.PEM_cert_to_DER_cert(pem)))


@dataclass
class Connector:
    """`honest`: it looks at the manager's proof, and makes its own with the token."""

    token: str
    honest: bool = True
    identity: Identity = field(default_factory=fresh_identity)
    proved: asyncio.Queue[tuple[Purpose, StreamControl]] = field(default_factory=asyncio.Queue)
    refused: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def __post_init__(self) -> None:
        # The port is ours before anybody listens, and refuses.
        self._place = socket.socket()
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._place.bind(("127.0.0.1", 0))
        self.port: int = self._place.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._open: list[StreamControl] = []

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._met, "127.0.0.1", self.port, reuse_port=True, ssl=self.identity.context
        )

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        control = StreamControl(reader, writer)
        self._open.append(control)
        with contextlib.suppress(RuntimeFailure):
            await self._greet(control)

    async def _greet(self, control: StreamControl) -> None:
        nonce = fresh_nonce()
        await control.send(Hello(nonce))
        said = await control.receive(hello_in)
        assert said.nonce is not None
        purpose = Purpose(said.role or "")
        meeting = Meeting(purpose, said.number, nonce, said.nonce, self.identity.fingerprint)
        if self.honest and not meeting.is_proof(Side.MANAGER, self.token, said.proof):
            control.close()
            self.refused.release()
            return
        proof = meeting.proof(Side.CONNECTOR, self.token) if self.honest else b"\0" * 32
        await control.send(Hello(proof=proof))
        await self.proved.put((purpose, control))

    def closes(self, control: StreamControl) -> None:
        """Close the other end, too, when this one ends."""
        self._open.append(control)

    async def aclose(self) -> None:
        for control in self._open:
            control.close()
        if self._server is not None:
            await stop_listening(self._server)
            await self._server.wait_closed()
        self._place.close()

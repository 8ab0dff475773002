"""How a manager and the connector in a Pod prove themselves to each other (spec: Kubernetes, section 2).

The connection is encrypted, with a certificate that the connector made at its start and nobody vouches for.
What vouches is the instance's token, which both have and which is never sent: each proves that it has it,
bound to the certificate that it saw, so that who sits between two connections can prove nothing with either.

Whoever has another secret in common with a connector (a session's ticket, `genvm_wire.orders`) proves that in
the same way. Three frames, the connector's first, with these keys: `nonce`; `role`, `number`, `nonce`,
`proof`; `proof`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from genvm_wire import calldata
from genvm_wire.calldata import Encodable, Value
from genvm_wire.messages import Fields, Message, read_one_of

NONCE_SIZE = 32


class Hello(Message):
    """One of the three frames; what is null is not said, but for the `number` of a frame with a `role`."""

    kind: ClassVar = "hello"
    nonce: bytes | None = None
    proof: bytes | None = None
    role: str | None = None
    number: int | None = None

    @classmethod
    def of(cls, fields: Fields) -> Hello:
        return cls(
            fields.optional("nonce", bytes),
            fields.optional("proof", bytes),
            fields.optional("role", str),
            fields.optional("number", int),
        )

    def as_map(self) -> dict[str, Encodable]:
        said = super().as_map()
        if self.role is None:
            del said["number"]
        return {key: value for key, value in said.items() if key == "number" or value is not None}


def hello_in(raw: Mapping[str, Value]) -> Hello:
    """A frame that proves something. Raises MessageInvalid."""
    return read_one_of({Hello.kind: Hello}, raw)


class Side(StrEnum):
    MANAGER = "manager"
    CONNECTOR = "connector"


class Purpose(StrEnum):
    """What a connection is for: talking with the program, or a run's way to its node or into a module."""

    CONTROL = "control"
    RELAY = "relay"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Meeting:
    """What both sides of one connection know; `number` is what it is expected under, null for control."""

    purpose: Purpose
    number: int | None
    connectors_nonce: bytes
    managers_nonce: bytes
    fingerprint: bytes
    """SHA-256 of the certificate, as this side saw it."""

    def proof(self, side: Side, token: str) -> bytes:
        """That `side` has the token. Raises ValueError for a token that is not hexadecimal."""
        said = calldata.encode(
            [
                side.value,
                self.purpose.value,
                self.number,
                self.connectors_nonce,
                self.managers_nonce,
                self.fingerprint,
            ]
        )
        return hmac.digest(bytes.fromhex(token), said, "sha256")

    def is_proof(self, side: Side, token: str, proof: object) -> bool:
        """Whether `proof` is that side's. Takes as long for a wrong one as for a right one."""
        return isinstance(proof, bytes) and hmac.compare_digest(proof, self.proof(side, token))


def fresh_nonce() -> bytes:
    return secrets.token_bytes(NONCE_SIZE)


def fingerprint_of(certificate: bytes) -> bytes:
    """Of a certificate in its binary form."""
    return hashlib.sha256(certificate).digest()

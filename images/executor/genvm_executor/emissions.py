"""What a contract sends out, in order, kept until the run returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value

On = Literal["finalized", "accepted"]


@dataclass(frozen=True, slots=True)
class PostMessage:
    address: Address
    calldata: Value
    value: int
    on: On

    def as_map(self) -> dict[str, Encodable]:
        return {
            "type": "PostMessage",
            "address": self.address,
            "calldata": self.calldata,
            "value": self.value,
            "on": self.on,
        }


@dataclass(frozen=True, slots=True)
class DeployContract:
    calldata: Value
    code: bytes
    value: int
    on: On
    salt_nonce: int

    def as_map(self) -> dict[str, Encodable]:
        return {
            "type": "DeployContract",
            "calldata": self.calldata,
            "code": self.code,
            "value": self.value,
            "on": self.on,
            "salt_nonce": self.salt_nonce,
        }


@dataclass(frozen=True, slots=True)
class EthSend:
    address: Address
    calldata: bytes
    value: int

    def as_map(self) -> dict[str, Encodable]:
        return {"type": "EthSend", "address": self.address, "calldata": self.calldata, "value": self.value}


@dataclass(frozen=True, slots=True)
class EmitEvent:
    topics: tuple[bytes, ...]
    blob: Value

    def as_map(self) -> dict[str, Encodable]:
        return {"type": "EmitEvent", "topics": list(self.topics), "blob": self.blob}


Emission = PostMessage | DeployContract | EthSend | EmitEvent
"""`as_map` is the form of host-protocol.md, 8.2."""

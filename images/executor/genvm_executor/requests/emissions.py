"""What a contract sends out, in order, kept until the run returns: values as the bytes that they came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from genvm_executor.entry_payload import UNNAMED_KEY
from genvm_executor.lines import ContractLine
from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value
from genvm_wire.records import record

On = Literal["finalized", "accepted"]

NO_FEE_PARAMS: Mapping[str, Value] = {
    "leader_timeunits_allocation": 0,
    "validator_timeunits_allocation": 0,
    "execution_budget_per_round": 0,
    "rotations": [],
    "max_price_gen_per_time_unit": 0,
    "storage_fee_max_gas_price": 0,
    "receipt_fee_max_gas_price": 0,
}
NO_EVM_FEE_PARAMS: Mapping[str, Value] = {"gas_limit": 0, "max_gas_price": 0}
UNCHARGED: Mapping[str, Encodable] = {"message_fee": 0, "receipt_fee": 0}
"""This executor charges nothing: what a node charges for messages it has to work out itself."""


@record
class PostMessage:
    address: Address
    calldata: Encodable
    value: int
    on: On
    fee_params: Value = None
    use_balance: bool = False
    call_key: bytes = UNNAMED_KEY

    def as_map(self) -> dict[str, Encodable]:
        return {
            "type": "PostMessage",
            "address": self.address,
            "calldata": self.calldata,
            "value": self.value,
            "on": self.on,
        }

    def fee_map(self) -> dict[str, Encodable]:
        return {
            **UNCHARGED,
            "call_key": self.call_key,
            "fee_params": self.fee_params or NO_FEE_PARAMS,
            "subtree": b"",
            "use_balance": self.use_balance,
        }


@record
class DeployContract:
    calldata: Encodable
    code: bytes
    value: int
    on: On
    salt_nonce: int
    fee_params: Value = None
    use_balance: bool = False

    def as_map(self) -> dict[str, Encodable]:
        return {
            "type": "DeployContract",
            "calldata": self.calldata,
            "code": self.code,
            "value": self.value,
            "on": self.on,
            "salt_nonce": self.salt_nonce,
        }

    def fee_map(self) -> dict[str, Encodable]:
        return {
            **UNCHARGED,
            "fee_params": self.fee_params or NO_FEE_PARAMS,
            "subtree": b"",
            "use_balance": self.use_balance,
        }


@record
class EthSend:
    address: Address
    calldata: bytes
    value: int

    def as_map(self) -> dict[str, Encodable]:
        return {"type": "EthSend", "address": self.address, "calldata": self.calldata, "value": self.value}

    def fee_map(self) -> dict[str, Encodable]:
        return {**UNCHARGED, "fee_params": NO_EVM_FEE_PARAMS}


@record
class EmitEvent:
    topics: tuple[bytes, ...]
    blob: Encodable

    def as_map(self) -> dict[str, Encodable]:
        return {"type": "EmitEvent", "topics": list(self.topics), "blob": self.blob}

    def fee_map(self) -> dict[str, Encodable]:
        return {"storage_fee": 0}


Emission = PostMessage | DeployContract | EthSend | EmitEvent
"""`as_map` is the form of host-protocol 8.2; `fee_map` is what v0.3 adds to it."""


def emission_map(emission: Emission, line: ContractLine, *, balance_pays_fees: bool) -> dict[str, Encodable]:
    """An emission as its contract line has it; `balance_pays_fees`: the form of the result knows of that."""
    if not line.emissions_have_fees:
        return emission.as_map()
    fees = emission.fee_map()
    if not balance_pays_fees:
        fees.pop("use_balance", None)
    return {**emission.as_map(), **fees}

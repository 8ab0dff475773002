"""What one VM of a run is: whose contract, what it may do, what it wrote and sent so far."""

from __future__ import annotations

from enum import IntEnum

from genvm_executor.channel.job import Message
from genvm_executor.lines import ContractLine
from genvm_executor.requests.emissions import Emission
from genvm_executor.requests.storage_view import WrittenStorage
from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, Value, encode
from genvm_wire.host_tables import StorageView
from genvm_wire.records import field, mutable, record

OWN_RUNNER = "contract"
"""The id of the package that a VM runs."""


class EntryKind(IntEnum):
    MAIN = 0
    SANDBOX = 1
    CONSENSUS_STAGE = 2


@record
class Rights:
    """What a VM may ask for (contract-runtime 6.3)."""

    deterministic: bool
    write: bool
    send: bool
    call: bool
    nondet: bool


@record
class VmEntry:
    """Why a VM runs: the last three keys of its start message."""

    kind: EntryKind
    data: bytes
    stage_data: Value = None


@record
class Start:
    """What a child inside a contract's VM runs: see the fields of `VmFrame`."""

    code: bytes
    depends: str | None
    custom_runners: dict[str, bytes]


@mutable
class VmFrame:
    contract: Address
    code: bytes
    entry: VmEntry
    rights: Rights
    storage: WrittenStorage
    is_init: bool
    value: int
    stack: tuple[Address, ...] = ()
    depth: int = 0
    view: int = StorageView.DEFAULT
    """what its storage was read with, where a caller has chosen"""
    depends: str | None = None
    """the packaged runner that it is started with, where that was chosen instead of the package's own"""
    custom_runners: dict[str, bytes] = field(default_factory=dict)
    """packages that were registered for this VM, by id"""
    emissions: list[Emission] = field(default_factory=list)
    sent: int = 0

    def start_message(self, message: Message, line: ContractLine) -> bytes:
        """The bytes of fd 0 (contract-runtime 3)."""
        start: dict[str, Encodable] = {
            "contract_address": self.contract,
            "sender_address": message.sender,
            "origin_address": message.origin,
            "stack": list(self.stack),
            "chain_id": message.chain_id,
            "value": self.value,
            "is_init": self.is_init,
            "datetime": message.datetime,
            "entry_kind": int(self.entry.kind),
            "entry_data": self.entry.data,
            "entry_stage_data": self.entry.stage_data,
        }
        if line.names_signer:
            start["signer_address"] = message.signer or message.sender
        return encode(start)

"""One run's view of the chain: the store below, its own writes above; nothing is kept until applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from genvm_wire.address import Address
from genvm_wire.calldata import Value, encode
from genvm_wire.contract_lines import line_of_code, rules_of_code
from genvm_wire.line_rules import LINE_RULES, LineRules
from genvm_wire.results import ResultError, RunResult
from genvm_wire.storage_layout import (
    PAGE_SIZE,
    SLOT_BYTES,
    LayoutError,
    code_slot,
    pre_deploy_writes,
    split_change,
    split_write_key,
)
from orchestrator.node.effects import Effects, Event, Message
from orchestrator.node.errors import BadRequest
from orchestrator.node.store import NodeStore

MAX_STAGED_PAGES: Final = 2 * 1024 * 1024
MAX_EMISSIONS: Final = 10_000
MAX_CODE: Final = 64 * 1024 * 1024
LEADER: Final = "leader"


class StageFull(Exception):
    """The run staged more than the node keeps; the host answers `forbidden`."""


class Stage(Protocol):
    """What the host protocol's requests are answered from."""

    calldata: bytes
    leader_results: list[bytes] | None
    disagreement: int | None
    fuel_used: int
    result: bytes | None

    @property
    def contract(self) -> Address: ...

    def read(self, address: Address, slot: bytes, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset`; unwritten storage is zeros."""

    def write(self, slot: bytes, offset: int, data: bytes) -> None:
        """Write to the running contract. Raises StageFull."""

    def balance(self, address: Address) -> int:
        """Of another account, in wei."""

    def own_balance(self) -> int:
        """The running contract's, in wei, as its executor asks for them."""

    def emit(self, message: Message) -> None:
        """Raises StageFull."""

    def emit_event(self, event: Event) -> None:
        """Raises StageFull."""

    def note_nondet(self, call_no: int, sub_result: bytes) -> None:
        """Raises StageFull."""


@dataclass(slots=True)
class RunStage:
    """The state of one run. `leader_results` null: this node leads.

    `origin` null: the sender; `moment` null: now; `node`: who of the nodes runs it, for mocks; `paid`: the
    value has left its sender's account already.
    """

    store: NodeStore
    contract: Address
    sender: Address
    calldata: bytes
    value: int = 0
    is_deploy: bool = False
    leader_results: list[bytes] | None = None
    nondet_results: dict[int, bytes] = field(default_factory=dict)
    disagreement: int | None = None
    fuel_used: int = 0
    result: bytes | None = None
    origin: Address | None = None
    moment: datetime | None = None
    node: str = LEADER
    paid: bool = False
    _pages: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    _messages: list[Message] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)

    def put_code(self, code: bytes) -> None:
        """What a generation A node writes before a deployment."""
        for key, content in pre_deploy_writes(code, rules_of_code(code).name):
            slot, offset = split_write_key(key)
            self.write(slot, offset, content)

    def read_code(self, address: Address) -> bytes:
        """The contract's code. Raises BadRequest when there is none."""
        _, code = self._contract(address)
        if not code:
            raise BadRequest(f"there is no contract at {address}")
        return code

    def _contract(self, address: Address) -> tuple[LineRules, bytes]:
        """The contract's code, and the rules of its line; of the first, where the code names none."""
        for line in reversed(tuple(LINE_RULES.values())):
            code = self._code_of(address, line.name)
            if line_of_code(code) == line.name:
                break
        return line, code

    def _code_of(self, address: Address, line: str) -> bytes:
        """What a contract of this line would have there; the first line's has another list at that place."""
        slot = code_slot(line)
        length = int.from_bytes(self.read(address, slot, 0, 4), "little")
        return self.read(address, slot, 4, length) if length <= MAX_CODE else b""

    def read(self, address: Address, slot: bytes, offset: int, length: int) -> bytes:
        """`length` bytes from byte `offset`; unwritten storage is zeros."""
        if not length:
            return b""
        first, last = offset // PAGE_SIZE, (offset + length - 1) // PAGE_SIZE
        window = bytearray((last - first + 1) * PAGE_SIZE)
        for page, content in self.store.pages(address, slot, first, last):
            window[(page - first) * PAGE_SIZE : (page - first + 1) * PAGE_SIZE] = content
        if address == self.contract and self._pages:
            for page in range(first, last + 1):
                own = self._pages.get((slot, page))
                if own is not None:
                    window[(page - first) * PAGE_SIZE : (page - first + 1) * PAGE_SIZE] = own
        start = offset - first * PAGE_SIZE
        return bytes(window[start : start + length])

    def write(self, slot: bytes, offset: int, data: bytes) -> None:
        """Stage a write to the running contract. Raises StageFull."""
        if offset + len(data) > SLOT_BYTES:
            raise StageFull("the write reaches past the end of the slot")
        if not data:
            return
        first, last = offset // PAGE_SIZE, (offset + len(data) - 1) // PAGE_SIZE
        if len(self._pages) + last - first > MAX_STAGED_PAGES:
            raise StageFull("too many pages written")
        window = bytearray(self.read(self.contract, slot, first * PAGE_SIZE, (last - first + 1) * PAGE_SIZE))
        start = offset - first * PAGE_SIZE
        window[start : start + len(data)] = data
        for page in range(first, last + 1):
            at = (page - first) * PAGE_SIZE
            self._pages[slot, page] = bytes(window[at : at + PAGE_SIZE])

    def balance(self, address: Address) -> int:
        return self.store.balance(address)

    def note_nondet(self, call_no: int, sub_result: bytes) -> None:
        self.nondet_results[call_no] = sub_result

    def own_balance(self) -> int:
        """The running contract's wei, as its executor asks for them.

        Executors subtract what they sent themselves; those of some lines also add the attached value,
        whatever the table that they speak by.
        """
        line, _ = self._contract(self.contract)
        return self._owned() + (0 if line.adds_value else self.value)

    def _owned(self) -> int:
        return self.store.balance(self.contract) if self.store.is_contract(self.contract) else 0

    def emit(self, message: Message) -> None:
        """Stage a message. Raises StageFull when there are too many or the contract cannot pay."""
        spent = message.value + sum(m.value for m in self._messages)
        if len(self._messages) >= MAX_EMISSIONS or (message.value and spent > self._owned() + self.value):
            raise StageFull("too many messages, or no funds")
        self._messages.append(message)

    def emit_event(self, event: Event) -> None:
        """Stage an event. Raises StageFull."""
        if len(self._events) >= MAX_EMISSIONS:
            raise StageFull("too many events")
        self._events.append(event)

    def same_as(self, other: RunStage) -> bool:
        """Whether two nodes' runs came to the same."""
        return (self.result, self._pages, self._messages, self._events) == (
            other.result,
            other._pages,
            other._messages,
            other._events,
        )

    def effects(self, result: RunResult) -> Effects:
        """Everything to apply after a Return, with what came inside the result. Raises ResultError."""
        pages = dict(self._pages)
        try:
            for key, content in result.storage_changes:
                pages |= {(slot, index): page for slot, index, page in split_change(key, content)}
            for *topics, blob in result.events:
                self.emit_event(Event(tuple(topics), blob))
            for emission in result.emissions:
                self._take_emission(emission)
        except (LayoutError, StageFull, ValueError, KeyError, TypeError) as error:
            raise ResultError(f"the result's effects are malformed: {error!r:.200}") from error
        return Effects(
            contract=self.contract,
            sender=self.sender,
            value=self.value,
            is_deploy=self.is_deploy,
            pages=pages,
            messages=tuple(self._messages),
            events=tuple(self._events),
            paid=self.paid,
        )

    def _take_emission(self, emission: Value) -> None:
        """One entry of `emissions` (host-protocol 8.2)."""
        if not isinstance(emission, dict):
            raise ResultError("an emission is not a map")
        if emission["type"] == "EmitEvent":
            topics = emission["topics"]
            self.emit_event(
                Event(tuple(t for t in _list(topics) if isinstance(t, bytes)), encode(emission["blob"]))
            )
            return
        kind = {"PostMessage": "message", "DeployContract": "deploy", "EthSend": "eth"}[str(emission["type"])]
        address, code, calldata = emission.get("address"), emission.get("code"), emission["calldata"]
        value, salt = emission.get("value", 0), emission.get("salt_nonce", 0)
        if not isinstance(value, int) or not isinstance(salt, int) or value < 0:
            raise ResultError("an emission's value is not a number")
        self.emit(
            Message(
                kind=kind,
                recipient=address if isinstance(address, Address) else None,
                calldata=calldata if kind == "eth" and isinstance(calldata, bytes) else encode(calldata),
                value=value,
                on=str(emission.get("on", "finalized")),
                code=code if isinstance(code, bytes) else None,
                salt_nonce=salt,
            )
        )


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise ResultError("topics are not a list")
    return value

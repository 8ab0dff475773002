"""A small node for the T15 tables: real sockets, storage in memory, everything it was told kept."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from genvm_wire.calldata import encode
from genvm_wire.host_tables import HostTable, Method
from genvm_wire.storage_layout import code_slot


@dataclass
class NodeHost:
    """Serves one connection in a thread; `silent_at` names a method it never answers."""

    table: HostTable
    calldata: bytes = b""
    slots: defaultdict[bytes, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    accounts: dict[bytes, defaultdict[bytes, bytearray]] = field(default_factory=dict)
    balances: dict[bytes, int] = field(default_factory=dict)
    leader_results: list[bytes] | None = None
    silent_at: Method | None = None
    requests: list[Method] = field(default_factory=list)
    messages: list[tuple[str, bytes, bytes, dict[str, str]]] = field(default_factory=list)
    events: list[tuple[list[bytes], bytes]] = field(default_factory=list)
    nondet: dict[int, bytes] = field(default_factory=dict)
    disagreements: list[int] = field(default_factory=list)
    remaining_fuel: int = 0
    fuel_width: int | None = None
    """bytes of an amount; null: the table's"""
    consumed: list[int] = field(default_factory=list)
    route: bytes | None = None
    """answered to who is to serve a call"""
    routes: list[tuple[bytes, int, int]] = field(default_factory=list)
    result: bytes | None = None

    def __post_init__(self) -> None:
        self.executor_side, self._socket = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def store_code(self, code: bytes, address: bytes | None = None) -> None:
        slots = self.slots if address is None else self.accounts.setdefault(address, defaultdict(bytearray))
        slots[code_slot("v0.2")] = bytearray(struct.pack("<I", len(code)) + code)

    def close(self) -> None:
        self.executor_side.close()
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        stream = cast("BinaryIO", self._socket.makefile("rwb"))
        try:
            while head := stream.read(1):
                method = self.table.by_id[head[0]]
                self.requests.append(method)
                if method is self.silent_at:
                    return
                answer = self._answer(method, stream)
                stream.write(answer)
                stream.flush()
        except (OSError, ValueError):
            return

    def _answer(self, method: Method, stream: BinaryIO) -> bytes:
        def take(length: int) -> bytes:
            return stream.read(length)

        def number() -> int:
            return int.from_bytes(take(4), "little")

        def piece() -> bytes:
            return take(number())

        fuel_width = self.fuel_width or self.table.fuel_width

        match method:
            case Method.GET_CALLDATA:
                return b"\0" + _slice(self.calldata)
            case Method.STORAGE_READ:
                take(1)
                slots = self.accounts.get(take(20), self.slots)
                slot, offset, length = take(32), number(), number()
                found = slots[slot][offset : offset + length]
                return b"\0" + bytes(found).ljust(length, b"\0")
            case Method.STORAGE_WRITE:
                slot, offset, data = take(32), number(), piece()
                page = self.slots[slot]
                page.extend(bytes(max(0, offset + len(data) - len(page))))
                page[offset : offset + len(data)] = data
                return b"\0"
            case Method.NOTIFY_FINISHED:
                return b"\0"
            case Method.CONSUME_RESULT:
                self.result = piece()
                return b"\0"
            case Method.GET_LEADER_NONDET_RESULT:
                call = number()
                if self.leader_results is None:
                    return b"\3"
                return b"\0" + _slice(self.leader_results[call])
            case Method.POST_NONDET_RESULT:
                call = number()
                self.nondet[call] = piece()
                return b"\0"
            case Method.NOTIFY_NONDET_DISAGREEMENT:
                self.disagreements.append(number())
                return b""
            case Method.REMAINING_FUEL:
                return b"\0" + self.remaining_fuel.to_bytes(fuel_width, "little")
            case Method.CONSUME_FUEL:
                self.consumed.append(int.from_bytes(take(fuel_width), "little"))
                return b""
            case Method.RESOLVE_EXECUTOR:
                self.routes.append((take(20), take(1)[0], take(1)[0]))
                return b"\0" + _slice(encode(self.route))
            case _:
                return self._answer_of_chain(method, take, piece)

    def _answer_of_chain(
        self, method: Method, take: Callable[[int], bytes], piece: Callable[[], bytes]
    ) -> bytes:
        """What goes to other contracts and to the chain."""
        match method:
            case Method.POST_MESSAGE:
                self.messages.append(("post", take(20), piece(), json.loads(piece())))
                return b"\0"
            case Method.DEPLOY_CONTRACT:
                self.messages.append(("deploy", piece(), piece(), json.loads(piece())))
                return b"\0"
            case Method.ETH_SEND:
                self.messages.append(("eth", take(20), piece(), json.loads(piece())))
                return b"\0"
            case Method.ETH_CALL:
                return b"\0" + _slice(take(20) + piece())
            case Method.POST_EVENT:
                count = take(1)[0]
                self.events.append(([take(32) for _ in range(count)], piece()))
                return b"\0"
            case Method.GET_BALANCE:
                return b"\0" + self.balances.get(take(20), 0).to_bytes(32, "little")
        raise ValueError(method)


def _slice(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data

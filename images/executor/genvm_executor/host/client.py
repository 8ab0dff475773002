"""The executor's side of the host protocol, for every table (host-protocol 2.2, 3.4)."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence

from genvm_executor.host.connection import HostConnection
from genvm_executor.host.errors import HostLost, HostRefused, MethodAbsent
from genvm_executor.host.fuel import FuelAmounts
from genvm_wire.address import Address
from genvm_wire.calldata import CalldataError, decode
from genvm_wire.host_tables import HostTable, Method, StorageView

_OK = 0


class HostClient:
    """Asks the node, one request after another, over an already connected socket that it then owns.

    Every method may raise HostRefused (the run ends with its VM error), HostLost (the run has no result)
    and MethodAbsent (the table moved this to the job or the result). `fuel_width` is in bytes; null takes
    the table's default, and where the table's nodes differ what the node's first amount shows.
    """

    def __init__(self, sock: socket.socket, table: HostTable, fuel_width: int | None = None) -> None:
        self.table = table
        self._connection = HostConnection(sock)
        self._fuel = FuelAmounts(
            self._connection,
            table.fuel_width if fuel_width is None else fuel_width,
            learnt=table.fuel_width_differs and fuel_width is None,
        )
        self._calldata_asked = False

    def ask_calldata(self) -> None:
        """Send the first request that a run makes, to have its answer sooner; `get_calldata` takes that."""
        self._request(Method.GET_CALLDATA)
        self._connection.flush()
        self._calldata_asked = True

    def get_calldata(self) -> bytes:
        if not self._calldata_asked:
            self._request(Method.GET_CALLDATA)
        self._calldata_asked = False
        self._check()
        return self._connection.read_slice()

    def storage_read(
        self, view: StorageView | int, address: Address, slot: bytes, offset: int, length: int
    ) -> bytes:
        """Exactly `length` bytes from byte `offset` of the slot; unwritten storage is zeros."""
        place = bytes((view,)) + address.raw + slot + _u32(offset) + _u32(length)
        self._request(Method.STORAGE_READ, place)
        self._check()
        return self._connection.read(length)

    def storage_write(self, slot: bytes, offset: int, data: bytes) -> None:
        """Write to the running contract."""
        self._request(Method.STORAGE_WRITE, slot, _u32(offset), _slice(data))
        self._check()

    def consume_result(self, payload: bytes) -> None:
        """Deliver the result and wait for its acknowledgement."""
        self._request(Method.CONSUME_RESULT, _slice(payload))
        self._acknowledged()

    def get_leader_nondet_result(self, call_no: int) -> bytes | None:
        """The leader's sub-result; null: this node leads and computes it."""
        self._request(Method.GET_LEADER_NONDET_RESULT, _u32(call_no))
        code = self._connection.read(1)[0]
        if code == self.table.leader_byte:
            return None
        self._raise_for(code)
        return self._connection.read_slice()

    def post_nondet_result(self, call_no: int, sub_result: bytes) -> None:
        self._request(Method.POST_NONDET_RESULT, _u32(call_no), _slice(sub_result))
        self._check()

    def post_message(self, address: Address, calldata: bytes, *, value: int, on: str) -> None:
        """`value` in wei; `on` is `finalized` or `accepted`."""
        extra = _json({"value": hex(value), "on": on})
        self._request(Method.POST_MESSAGE, address.raw, _slice(calldata), extra)
        self._check()

    def deploy_contract(self, calldata: bytes, code: bytes, *, value: int, salt_nonce: int, on: str) -> None:
        extra = _json({"value": hex(value), "salt_nonce": hex(salt_nonce), "on": on})
        self._request(Method.DEPLOY_CONTRACT, _slice(calldata), _slice(code), extra)
        self._check()

    def eth_send(self, address: Address, calldata: bytes, *, value: int) -> None:
        self._request(Method.ETH_SEND, address.raw, _slice(calldata), _json({"value": hex(value)}))
        self._check()

    def eth_call(self, address: Address, calldata: bytes) -> bytes:
        self._request(Method.ETH_CALL, address.raw, _slice(calldata))
        self._check()
        return self._connection.read_slice()

    def post_event(self, topics: Sequence[bytes], blob: bytes) -> None:
        """`topics` of 32 bytes each, `blob` an encoded calldata map."""
        self._request(Method.POST_EVENT, bytes((len(topics),)), *topics, _slice(blob))
        self._check()

    def get_balance(self, address: Address) -> int:
        """In wei."""
        self._request(Method.GET_BALANCE, address.raw)
        self._check()
        return int.from_bytes(self._connection.read(32), "little")

    def consume_fuel(self, amount: int) -> None:
        """Report used fuel; an amount beyond the width is reported as the most it can say."""
        self._fuel.settle()
        self._request(Method.CONSUME_FUEL, self._fuel.written(amount))

    def remaining_fuel(self) -> int:
        self._request(Method.REMAINING_FUEL)
        self._check()
        return self._fuel.read()

    def resolve_executor(self, address: Address, view: StorageView | int, major: int) -> bytes | None:
        """Who is to serve a call: null is this executor, else what a nested run would be started with.

        `major` is the callee's own. A reply that is neither is HostLost.
        """
        self._request(Method.RESOLVE_EXECUTOR, address.raw, bytes((view, major)))
        self._check()
        try:
            route = decode(self._connection.read_slice())
        except CalldataError as error:
            raise HostLost(f"the host named an executor in no calldata: {error.reason}") from None
        if route is None or isinstance(route, bytes):
            return route
        raise HostLost("the host named an executor neither as null nor as bytes")

    def notify_nondet_disagreement(self, call_no: int) -> None:
        self._request(Method.NOTIFY_NONDET_DISAGREEMENT, _u32(call_no))

    def notify_finished(self) -> None:
        """Tell the node that nothing more comes, and wait for its acknowledgement."""
        self._request(Method.NOTIFY_FINISHED)
        self._acknowledged()

    def close(self) -> None:
        """Send what is still queued and close; idempotent, never an error."""
        self._connection.close()

    def _request(self, method: Method, *parts: bytes) -> None:
        number = self.table.methods.get(method)
        if number is None:
            raise MethodAbsent(f"{self.table.name} has no {method}")
        self._fuel.settle()
        self._connection.write(b"".join((bytes((number,)), *parts)))

    def _check(self) -> None:
        self._raise_for(self._connection.read(1)[0])

    def _raise_for(self, code: int) -> None:
        if code == _OK:
            return
        text = self.table.vm_errors.get(code)
        if text is None:
            raise HostLost(f"the host answered with the undeclared error {code}")
        raise HostRefused(text)

    def _acknowledged(self) -> None:
        code = self._connection.read(1)[0]
        if code != _OK:
            raise HostLost(f"the host acknowledged with {code} instead of 0")


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def _slice(data: bytes) -> bytes:
    return _u32(len(data)) + data


def _json(fields: Mapping[str, str]) -> bytes:
    return _slice(json.dumps(fields, separators=(",", ":")).encode())

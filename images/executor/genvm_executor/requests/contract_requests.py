"""Requests of one VM, answered by the rules of contract-runtime 5 and 6."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

from genvm_executor.entry_payload import call_key
from genvm_executor.machine.outcome import GuestReturned, VmFault, VmOutcome
from genvm_executor.machine.sdk_errno import SdkErrno, SdkRefused
from genvm_executor.machine.wasi.filesystem import FileSystem
from genvm_executor.modules.port import MODULE_OF_REQUEST
from genvm_executor.requests.emissions import DeployContract, Emission, EmitEvent, EthSend, PostMessage
from genvm_executor.requests.kept import EMISSION, ROTATION
from genvm_executor.requests.message_fees import check_fees
from genvm_executor.requests.run_state import RunState
from genvm_executor.requests.runners import Runners
from genvm_executor.requests.storage_view import SLOT_SIZE
from genvm_executor.requests.vm_frame import OWN_RUNNER, Start, VmFrame
from genvm_wire.address import Address
from genvm_wire.calldata import CalldataError, Encodable, Encoded, Unread, Value, decode_leaving, encode
from genvm_wire.results import ResultCode
from genvm_wire.runner_actions import MAX_MAPPED, cost_of_mapping

MAX_REQUEST_ITEMS = 1_000_000
_LEFT = frozenset({"calldata", "blob"})
"""What is only passed on: as large as a request, and a hundred times that when it is decoded."""
Payload = dict[str, Any]
"""A payload that has the form of its request: its keys and the types of its values are known."""


class Children(Protocol):
    """VMs inside a VM. Each answers with a sub-VM result."""

    def call_contract(
        self, caller: VmFrame, address: Address, calldata: bytes, state: int, *, catch: bool
    ) -> bytes: ...

    def sandbox(self, caller: VmFrame, data: bytes, start: Start, *, write: bool, send: bool) -> bytes: ...

    def run_nondet(
        self, caller: VmFrame, leader: bytes, validator: bytes, start: Start, *, catch: bool
    ) -> bytes: ...


class ContractRequests:
    """`GuestRequests` of the VM `frame`."""

    def __init__(self, run: RunState, frame: VmFrame, children: Children, files: FileSystem) -> None:
        self._run = run
        self._frame = frame
        self._children = children
        self._files = files
        self._mapped = 0
        self._runners = Runners(run, frame)
        self._handlers: dict[str, Callable[[Any], bytes | None]] = {
            "Return": self._return,
            "Rollback": self._rollback,
            "UserError": self._user_error,
            "CallContract": self._call_contract,
            "PostMessage": self._post_message,
            "DeployContract": self._deploy_contract,
            "EthSend": self._eth_send,
            "EthCall": self._eth_call,
            "EmitEvent": self._emit_event,
            "RunNondet": self._run_nondet,
            "Sandbox": self._sandbox,
            "RegisterRunner": self._register_runner,
            "MapFile": self._map_file,
            "Trace": self._trace,
            "Yield": self._yield,
            "GetTimestamp": self._get_timestamp,
        }

    def storage_read(self, slot: bytes, offset: int, length: int) -> bytes:
        _check_range(offset, length)
        return self._frame.storage.read(slot, offset, length)

    def storage_write(self, slot: bytes, offset: int, data: bytes) -> None:
        _check_range(offset, len(data))
        self._need(self._may_write and slot not in self._run.locked_slots)
        self._frame.storage.write(slot, offset, data)

    def storage_rights(self) -> tuple[bool, frozenset[bytes]]:
        return self._may_write, self._run.locked_slots

    @property
    def _may_write(self) -> bool:
        return self._frame.rights.deterministic and self._frame.rights.write

    def get_balance(self, address: bytes) -> int:
        return self._run.balance_of(Address(address))

    def get_self_balance(self) -> int:
        self._need(self._frame.rights.deterministic)
        if not self._frame.stack:
            return self._run.own_balance()
        # A callee sees what the node says, also where a contract has called itself.
        return self._run.balance_of(self._frame.contract)

    def out_of_memory(self) -> NoReturn:
        raise VmFault(self._run.job.line.texts.no_memory)

    def gl_call(self, request: bytes) -> bytes | None:
        name, payload = self._parse(request)
        module = MODULE_OF_REQUEST.get(name)
        if module is None:
            return self._handlers[name](payload)
        self._need(not self._frame.rights.deterministic)
        return self._run.modules.ask(name, payload, self._run.memory_left(deterministic=False))

    def _parse(self, request: bytes) -> tuple[str, Value]:
        try:
            message = decode_leaving(request, _LEFT, max_items=MAX_REQUEST_ITEMS)
        except CalldataError:
            raise SdkRefused(SdkErrno.INVAL) from None
        if not isinstance(message, dict) or len(message) != 1:
            raise SdkRefused(SdkErrno.INVAL)
        name, payload = self._run.job.line.spelling(*next(iter(message.items())))
        has_its_form = self._run.job.line.requests.get(name)
        if has_its_form is None or not has_its_form(payload):
            raise SdkRefused(SdkErrno.INVAL)
        return name, payload

    @staticmethod
    def _need(allowed: bool) -> None:
        if not allowed:
            raise SdkRefused(SdkErrno.FORBIDDEN)

    def _return(self, value: Value) -> bytes | None:
        raise self._ended(ResultCode.RETURN, encode(value))

    def _rollback(self, text: str) -> bytes | None:
        raise self._ended(ResultCode.USER_ERROR, text.encode())

    def _user_error(self, value: Value) -> bytes | None:
        raise self._ended(ResultCode.USER_ERROR, encode(value))

    def _ended(self, code: ResultCode, payload: bytes) -> GuestReturned:
        """The end of the VM; what the run itself comes to is kept as the rest of its result is."""
        if self._frame.depth == 0:
            self._run.kept.add(len(payload))
        return GuestReturned(VmOutcome(code, payload))

    def _need_call(self) -> None:
        self._need(self._frame.rights.deterministic and self._frame.rights.call)

    def _call_contract(self, payload: Payload) -> bytes | None:
        self._need_call()
        return self._children.call_contract(
            self._frame,
            payload["address"],
            encode(payload["calldata"]),
            payload["state"],
            catch=payload.get("catch_vm_error", False),
        )

    def _eth_call(self, payload: Payload) -> bytes | None:
        self._need_call()
        return self._run.node.eth_call(payload["address"], payload["calldata"])

    def _send(self, emission: Emission, value: int, size: int) -> None:
        """Keep an emission of so many bytes and what it carries; an event carries nothing."""
        self._need(self._frame.rights.deterministic and self._frame.rights.send)
        if value > 0 and value > self._run.own_balance():
            raise SdkRefused(SdkErrno.INBALANCE)
        self._run.sent += value
        self._frame.sent += value
        self._keep(emission, size)

    def _keep(self, emission: Emission, size: int) -> None:
        self._run.kept.add(EMISSION + size)
        self._frame.emissions.append(emission)

    def _post_message(self, payload: Payload) -> bytes | None:
        self._check_fees(payload)
        value, calldata = payload["value"], payload["calldata"]
        fees = _fee_fields(payload)
        if self._run.job.line.emissions_have_fees:
            fees["call_key"] = call_key(calldata.outline)
        message = PostMessage(payload["address"], _kept(calldata), value, payload["on"], **fees)
        self._send(message, value, _size(calldata) + _size_of_fees(payload))
        return None

    def _check_fees(self, payload: Payload) -> None:
        if self._run.job.line.emissions_have_fees:
            check_fees(self._run, payload)

    def _deploy_contract(self, payload: Payload) -> bytes | None:
        self._check_fees(payload)
        value, salt = payload["value"], payload["salt_nonce"]
        calldata, code = payload["calldata"], payload["code"]
        message = DeployContract(_kept(calldata), code, value, payload["on"], salt, **_fee_fields(payload))
        self._send(message, value, _size(calldata) + len(code) + _size_of_fees(payload))
        return None

    def _eth_send(self, payload: Payload) -> bytes | None:
        value, calldata = payload["value"], payload["calldata"]
        self._send(EthSend(payload["address"], calldata, value), value, len(calldata))
        return None

    def _emit_event(self, payload: Payload) -> bytes | None:
        rights = self._frame.rights
        self._need(rights.deterministic and (rights.write or not self._run.job.line.events_need_write))
        topics: list[bytes] = payload["topics"]
        blob: Unread = payload["blob"]
        self._run.budget.spend(len(topics) + -(-len(blob.raw) // 32))
        self._keep(EmitEvent(tuple(topics), Encoded(blob.raw)), len(blob.raw))
        return None

    def _run_nondet(self, payload: Payload) -> bytes | None:
        self._need(self._frame.rights.nondet)
        return self._children.run_nondet(
            self._frame,
            payload["data_leader"],
            payload["data_validator"],
            self._start(payload),
            catch=payload.get("catch_vm_error", False),
        )

    def _start(self, payload: Payload) -> Start:
        runner = payload.get("runner", OWN_RUNNER)
        chosen = self._runners.choose(runner)
        handed = self._runners.handed_down(payload.get("custom_runners"), runner)
        return Start(chosen.code, chosen.depends, handed)

    def _sandbox(self, payload: Payload) -> bytes | None:
        both: bool = payload.get("allow_write_ops") is True
        return self._children.sandbox(
            self._frame,
            payload["data"],
            self._start(payload),
            write=payload.get("allow_write_storage", both),
            send=payload.get("allow_send_messages", both),
        )

    def _register_runner(self, payload: Payload) -> bytes | None:
        self._need(self._frame.rights.deterministic)
        return encode(self._runners.register(payload["code"]))

    def _map_file(self, payload: Payload) -> bytes | None:
        source, target = payload["path_in_runner"], payload["path_in_vfs"]
        found = self._runners.files(payload["runner"], source)
        self._mapped += cost_of_mapping(target, found)
        if self._mapped > MAX_MAPPED:
            raise VmFault(self._run.job.line.texts.no_memory_for_answer, "too many files are mapped")
        for path, data in found.items():
            self._runners.check_target(target + path)
            self._files.add(target + path, data)
        return None

    def _yield(self, _payload: Value) -> bytes | None:
        self._run.check_cancelled()
        return None

    def _get_timestamp(self, _payload: Value) -> bytes | None:
        now_ns = self._run.job.message.now_ns if self._frame.rights.deterministic else time.time_ns()
        return encode(now_ns // 1_000_000_000)

    def _trace(self, payload: Value) -> bytes | None:
        if isinstance(payload, dict) and "Message" in payload:
            self._run.log.add("trace", str(payload["Message"]), target="contract")
            return None
        # A clock of the machine would be a way to tell two runs apart.
        micros: Encodable = 0
        return encode(micros)


def _fee_fields(payload: Payload) -> dict[str, Any]:
    return {name: payload[name] for name in ("fee_params", "use_balance") if name in payload}


def _kept(left: Unread | bytes) -> Encoded | bytes:
    return Encoded(left.raw) if isinstance(left, Unread) else left


def _size(left: Unread | bytes) -> int:
    return len(left.raw if isinstance(left, Unread) else left)


def _size_of_fees(payload: Payload) -> int:
    params = payload.get("fee_params")
    return 0 if params is None else ROTATION * len(params["rotations"])


def _check_range(offset: int, length: int) -> None:
    if offset + length > SLOT_SIZE:
        raise SdkRefused(SdkErrno.INVAL)

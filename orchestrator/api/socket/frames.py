"""Messages of the manager socket: `method u16 BE | request_id u64 BE | calldata` (manager-api 4.1). Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from genvm_wire import calldata
from genvm_wire.calldata import LONGEST_TEXT, CalldataError, Encodable, Value
from orchestrator.api.json_text import MOST_ITEMS
from orchestrator.api.short_text import short

PROTOCOL_MAJOR = 0
NOTIFICATION = 0
_HEADER = struct.Struct(">HQ")


class Method(IntEnum):
    ERROR = 0
    HELLO = 1
    EVENT = 2
    RUN = 3
    ATTACH = 4
    CANCEL = 5
    ACK = 6
    GET_ARTIFACT = 7


SERVER_METHODS = frozenset({Method.ERROR, Method.HELLO, Method.EVENT})


class ErrorCode(IntEnum):
    INTERNAL = 0
    MALFORMED_FRAME = 1
    UNKNOWN_METHOD = 2
    UNKNOWN_ID = 3
    BOOT_ID_MISMATCH = 4
    BAD_REQUEST_ID = 5
    NOT_FINISHED = 6


class RequestFailed(Exception):
    """A request is answered with an error frame; the connection stays open."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class BadFrame(RequestFailed):
    """A message that names no request that could be answered; `request_id` is what the error frame echoes."""

    def __init__(self, code: ErrorCode, message: str, request_id: int = NOTIFICATION) -> None:
        super().__init__(code, message)
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request; its payload is not decoded yet."""

    method: Method
    request_id: int
    payload: memoryview


def request_of(message: bytes) -> Request:
    """The request in a binary message, checked in the order of manager-api 4.1. Raises BadFrame."""
    if len(message) < _HEADER.size:
        raise BadFrame(ErrorCode.MALFORMED_FRAME, f"a frame must have at least {_HEADER.size} bytes")
    number, request_id = _HEADER.unpack_from(message)
    try:
        method = Method(number)
    except ValueError:
        raise _unknown_method(number, request_id) from None
    if request_id == NOTIFICATION:
        raise BadFrame(ErrorCode.BAD_REQUEST_ID, "a request must have a request id other than 0")
    if method in SERVER_METHODS:
        raise _unknown_method(number, request_id)
    return Request(method, request_id, memoryview(message)[_HEADER.size :])


def _unknown_method(number: int, request_id: int) -> BadFrame:
    return BadFrame(ErrorCode.UNKNOWN_METHOD, f"unknown method id {number}", request_id)


def raw(request: Request) -> bytes:
    """The message that it came in."""
    return _HEADER.pack(request.method, request.request_id) + bytes(request.payload)


def boot_id_of(message: bytes) -> int:
    """What a manager calls itself, by its `hello`. Raises ValueError."""
    said: Any = decoded(memoryview(message)[_HEADER.size :])
    try:
        return int(said["hello"]["boot_id"])
    except (KeyError, TypeError) as error:
        raise ValueError("that is no hello") from error


def text_message() -> BadFrame:
    return BadFrame(ErrorCode.MALFORMED_FRAME, "a frame must be a binary message, not text")


def decoded(payload: memoryview) -> Value:
    """Raises RequestFailed."""
    try:
        return calldata.decode(payload, max_items=MOST_ITEMS, max_text=LONGEST_TEXT)
    except CalldataError as error:
        raise RequestFailed(ErrorCode.MALFORMED_FRAME, f"the payload is not calldata: {error}") from None


def frame(method: Method, request_id: int, payload: Encodable) -> bytes:
    return _HEADER.pack(method, request_id) + calldata.encode(payload)


def hello(boot_id: int) -> bytes:
    payload = {"hello": {"boot_id": boot_id, "protocol_major": PROTOCOL_MAJOR}}
    return frame(Method.HELLO, NOTIFICATION, payload)


def event(payload: Encodable) -> bytes:
    return frame(Method.EVENT, NOTIFICATION, payload)


def error(request_id: int, failure: RequestFailed) -> bytes:
    return frame(Method.ERROR, request_id, {"code": int(failure.code), "message": short(str(failure))})

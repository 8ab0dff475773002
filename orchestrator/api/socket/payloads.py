"""The payloads of requests: exactly one tag, below it exactly the listed keys (manager-api 4.1). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from genvm_wire.calldata import Value
from genvm_wire.unsigned import U32_MAX, U64_MAX, is_unsigned
from orchestrator.api.socket.frames import ErrorCode, Method, RequestFailed
from orchestrator.views.artifacts import FIELDS

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Attach:
    boot_id: int
    genvm_id: int


@dataclass(frozen=True, slots=True)
class GetArtifact:
    """`offset` and `max_len` in bytes."""

    genvm_id: int
    field: str
    offset: int
    max_len: int


def run_map(payload: Value) -> Mapping[str, Value]:
    """The request map; what is in it is the run decoder's business. Raises RequestFailed, as all here."""
    body = _tagged(payload, "run")
    if not isinstance(body, dict):
        raise malformed("run must be a map")
    return body


def attach(payload: Value) -> Attach:
    fields = _fields(payload, "attach", ("boot_id", "genvm_id"))
    return Attach(_unsigned(fields, "boot_id", U64_MAX), _unsigned(fields, "genvm_id", U64_MAX))


def run_id(payload: Value, tag: str) -> int:
    """The run that a `cancel` or an `ack` names."""
    return _unsigned(_fields(payload, tag, ("genvm_id",)), "genvm_id", U64_MAX)


def named_run(method: Method, payload: Value) -> int:
    """The run that a request other than `run` is about."""
    match method:
        case Method.ATTACH:
            return attach(payload).genvm_id
        case Method.GET_ARTIFACT:
            return get_artifact(payload).genvm_id
        case Method.CANCEL:
            return run_id(payload, "cancel")
        case _:
            return run_id(payload, "ack")


def get_artifact(payload: Value) -> GetArtifact:
    fields = _fields(payload, "get_artifact", ("field", "genvm_id", "max_len", "offset"))
    name = fields["field"]
    if not isinstance(name, str):
        raise malformed("field must be text")
    if name not in FIELDS:
        raise malformed(f"unknown artifact field {name[:SHOWN]}")
    return GetArtifact(
        genvm_id=_unsigned(fields, "genvm_id", U64_MAX),
        field=name,
        offset=_unsigned(fields, "offset", U64_MAX),
        max_len=_unsigned(fields, "max_len", U32_MAX),
    )


def malformed(text: str) -> RequestFailed:
    return RequestFailed(ErrorCode.MALFORMED_FRAME, text)


def _tagged(payload: Value, tag: str) -> Value:
    if not isinstance(payload, dict):
        raise malformed("the payload must be a map")
    _expect_keys(payload, (tag,), "the payload")
    return payload[tag]


def _fields(payload: Value, tag: str, names: tuple[str, ...]) -> Mapping[str, Value]:
    fields = _tagged(payload, tag)
    if not isinstance(fields, dict):
        raise malformed(f"{tag} must be a map")
    _expect_keys(fields, names, tag)
    return fields


def _expect_keys(found: Mapping[str, Value], names: Iterable[str], where: str) -> None:
    for name in names:
        if name not in found:
            raise malformed(f"{where}: field missing: {name}")
    for name in found:
        if name not in names:
            raise malformed(f"{where}: unknown field `{name[:SHOWN]}`")


def _unsigned(fields: Mapping[str, Value], name: str, most: int) -> int:
    value = fields[name]
    if not is_unsigned(value, most):
        raise malformed(f"{name} must be an unsigned integer below 2**{most.bit_length()}")
    return value

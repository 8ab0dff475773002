"""Types of the fields that run bodies have in common, whatever they are encoded in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from genvm_wire.unsigned import U32_MAX, U64_MAX
from orchestrator.api.wire.durations import parse_duration
from orchestrator.api.wire.message import message_of
from orchestrator.contracts.timestamps import parse_timestamp

U32 = Annotated[int, Field(ge=0, le=U32_MAX, strict=True)]
U64 = Annotated[int, Field(ge=0, le=U64_MAX, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def _unicode(text: str) -> str:
    """JSON can spell half a surrogate pair, which no UTF-8 can carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def _timestamp(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 timestamp")
    return parse_timestamp(value)


def _message(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return message_of(value)


Text = Annotated[str, Field(strict=True), AfterValidator(_unicode)]
Bytes = Annotated[bytes, Field(strict=True)]
Timestamp = Annotated[
    datetime, BeforeValidator(_timestamp, json_schema_input_type=str), Field(description="RFC 3339")
]
Duration = Annotated[
    timedelta, BeforeValidator(parse_duration, json_schema_input_type=str), Field(description="such as 30s")
]
Message = Annotated[
    Any,
    BeforeValidator(_message),
    WithJsonSchema(
        {"type": "object", "description": "manager-api 3.3.1: addresses, chain_id, value, is_init"}
    ),
]

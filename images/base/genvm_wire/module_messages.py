"""What an executor and a module say to each other: bodies of the S2 stream (spec/modules.md 1.4-1.10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from genvm_wire.calldata import CalldataError, Encodable, Value, decode, encode

MESSAGE_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one message, either way (1.4)."""
BUDGET_EXHAUSTED: Final = 2**256 - 1
"""The `consumed_gen` that says that the fuel did not suffice (1.8)."""
MAX_ANSWER_ITEMS: Final = 1_000_000
LEADER, VALIDATOR = "Leader", "Validator"


class ModuleMessageMalformed(ValueError):
    """Bytes that are no message of this protocol; the text says why and repeats nothing of them."""


class ModuleMessageTooLarge(ValueError):
    """A message over MESSAGE_LIMIT."""


def frame(message: Encodable) -> bytes:
    """A message of the stream: u32 big-endian length and calldata. Raises ModuleMessageTooLarge."""
    body = encode(message)
    if len(body) > MESSAGE_LIMIT:
        raise ModuleMessageTooLarge(f"{len(body)} bytes are over the limit of {MESSAGE_LIMIT}")
    return len(body).to_bytes(4, "big") + body


@dataclass(frozen=True, slots=True)
class Hello:
    """Whose session it is (1.6). `host_data` holds secrets: keep it out of logs."""

    genvm_id: int
    role: str
    host_data: Mapping[str, Value]
    gas_data: Mapping[str, str]
    initial_time_units_allocation: int

    def __repr__(self) -> str:
        return f"Hello(genvm_id={self.genvm_id}, role={self.role!r})"

    def message(self) -> Encodable:
        return {
            "genvm_id": self.genvm_id,
            "role": self.role,
            "host_data": self.host_data,
            "gas_data": self.gas_data,
            "initial_time_units_allocation": self.initial_time_units_allocation,
        }


def prompt(payload: Mapping[str, Value], remaining_fuel: int) -> Encodable:
    """`payload`: prompt, response_format, images."""
    return {"Prompt": {"payload": payload, "remaining_fuel_as_gen": remaining_fuel}}


def prompt_template(payload: Mapping[str, Value], remaining_fuel: int) -> Encodable:
    """`payload`: template and its texts."""
    return {"PromptTemplate": {"payload": payload, "remaining_fuel_as_gen": remaining_fuel}}


def render(payload: Mapping[str, Value], size_limit: int) -> Encodable:
    """`payload`: mode, url, wait_after_loaded; `size_limit` in bytes of the answer's body."""
    return {"Render": [payload, size_limit]}


def request(payload: Mapping[str, Value], size_limit: int) -> Encodable:
    """`payload`: method, url, headers, body, sign; `size_limit` in bytes of the answer's body."""
    return {"Request": [payload, size_limit]}


@dataclass(frozen=True, slots=True)
class Ok:
    """The module did what it was asked for."""

    value: Value


@dataclass(frozen=True, slots=True)
class UserError:
    """An observation about what the contract named: the contract may catch it."""

    value: dict[str, Value]


@dataclass(frozen=True, slots=True)
class FatalError:
    """The node observed nothing: the run has no result. The text is for logs."""

    text: str


Answer = Ok | UserError | FatalError


@dataclass(frozen=True, slots=True)
class PromptAnswer:
    """What goes under `Ok` for a prompt. `consumed` in GEN wei, or BUDGET_EXHAUSTED."""

    consumed: int
    data: Value


def parse_answer(body: bytes) -> Answer:
    """Raises ModuleMessageMalformed."""
    try:
        message = decode(body, max_items=MAX_ANSWER_ITEMS)
    except CalldataError as error:
        raise ModuleMessageMalformed(f"an answer is not calldata: {error.reason}") from None
    if not isinstance(message, dict) or len(message) != 1:
        raise ModuleMessageMalformed("an answer is a map of one entry")
    ((kind, value),) = message.items()
    match kind, value:
        case "Ok", _:
            return Ok(value)
        case "UserError", {"causes": list(), "ctx": dict()}:
            assert isinstance(value, dict)
            return UserError({"causes": value["causes"], "ctx": value["ctx"]})
        case "FatalError", str():
            return FatalError(value)
    raise ModuleMessageMalformed("an answer is Ok, UserError or FatalError")


def parse_prompt_answer(value: Value) -> PromptAnswer:
    """Raises ModuleMessageMalformed."""
    consumed = value.get("consumed_gen") if isinstance(value, dict) else None
    if not isinstance(value, dict) or "data" not in value:
        raise ModuleMessageMalformed("a prompt's answer is a map with `consumed_gen` and `data`")
    if not isinstance(consumed, int) or isinstance(consumed, bool) or not 0 <= consumed <= BUDGET_EXHAUSTED:
        raise ModuleMessageMalformed("`consumed_gen` is no unsigned integer of 256 bits")
    return PromptAnswer(consumed, value["data"])

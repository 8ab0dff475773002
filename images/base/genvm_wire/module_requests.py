"""What an executor and a module say to each other, as the executor builds and reads it.

Spec: modules 1.6–1.10. The newest shapes (S2): web requests are pairs with a size limit, and LLM requests
carry the fuel that is left.
"""

from __future__ import annotations

from collections.abc import Mapping

from genvm_wire.calldata import CalldataError, Encodable, Value, decode, encode
from genvm_wire.records import record

LENGTH_SIZE = 4
LARGEST_MESSAGE = 64 * 1024 * 1024
EXHAUSTED = 2**256 - 1
"""As `consumed_gen`: the budget is used up."""
LARGEST_SIZE_LIMIT = 2**32 - 1
MOST_ANSWER_ITEMS = 1_000_000

LEADER, VALIDATOR = "Leader", "Validator"


class RequestTooLarge(ValueError):
    """A message over LARGEST_MESSAGE; nothing of it was sent."""


class AnswerMalformed(ValueError):
    """A module's answer is not of a shape that there is; the text names no value."""


@record
class Ok:
    value: Value


@record
class UserError:
    """An observation that the contract may see: `causes` and `ctx`."""

    value: Value


@record
class FatalError:
    """No observation was made; the text is for logs."""

    text: str


ModuleAnswer = Ok | UserError | FatalError


@record
class PromptAnswer:
    """`data` is text, a bool, or (from older modules) a map; `consumed` in the smallest unit of GEN."""

    data: Value
    consumed: int

    @property
    def exhausted(self) -> bool:
        return self.consumed >= EXHAUSTED


def framed(message: Encodable) -> bytes:
    """One message of transport S. Raises CalldataError, RequestTooLarge."""
    body = encode(message)
    if len(body) > LARGEST_MESSAGE:
        raise RequestTooLarge(f"a module request of {len(body)} bytes is over {LARGEST_MESSAGE}")
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


def hello(
    run: int,
    *,
    leader: bool,
    host_data: Mapping[str, Encodable],
    gas_data: Mapping[str, str],
    initial_time_units_allocation: int,
) -> dict[str, Encodable]:
    """The first message of a session; it has no answer."""
    return {
        "genvm_id": run,
        "role": LEADER if leader else VALIDATOR,
        "host_data": host_data,
        "gas_data": gas_data,
        "initial_time_units_allocation": initial_time_units_allocation,
    }


def web_request(variant: str, payload: Value, size_limit: int) -> dict[str, Encodable]:
    """`variant` is `Render` or `Request`; `size_limit` in bytes."""
    return {variant: [payload, min(size_limit, LARGEST_SIZE_LIMIT)]}


def prompt_request(variant: str, payload: Value, remaining_fuel: int) -> dict[str, Encodable]:
    """`variant` is `Prompt` or `PromptTemplate`."""
    return {variant: {"payload": payload, "remaining_fuel_as_gen": remaining_fuel}}


def read_answer(body: bytes) -> ModuleAnswer:
    """Raises AnswerMalformed."""
    try:
        message = decode(body, max_items=MOST_ANSWER_ITEMS)
    except CalldataError as error:
        raise AnswerMalformed(f"the answer is not calldata: {error.reason}") from None
    if isinstance(message, dict) and len(message) == 1:
        match message:
            case {"Ok": value}:
                return Ok(value)
            case {"UserError": dict(value)}:
                return UserError(value)
            case {"FatalError": str(text)}:
                return FatalError(text)
    raise AnswerMalformed("the answer is none of Ok, UserError, FatalError")


def read_prompt_answer(value: Value) -> PromptAnswer:
    """The value of an `Ok` to a prompt. Raises AnswerMalformed."""
    match value:
        case {"data": data, "consumed_gen": int(consumed)} if (
            not isinstance(consumed, bool) and consumed >= 0
        ):
            return PromptAnswer(data, consumed)
        case _:
            raise AnswerMalformed("a prompt's answer without data and consumed_gen")

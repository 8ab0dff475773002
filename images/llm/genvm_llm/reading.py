"""From the bytes of a provider's 200 reply to an answer (modules 2.6, 2.7)."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from genvm_llm.answers import Answer, JsonObject, Undecided
from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.posting import Posted
from genvm_llm.prompt import Format
from genvm_llm.text_jobs import NOT_JSON
from genvm_llm.usage import Usage
from genvm_llm.workshop import WorkFailed, Workshop

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was paid for, and the answer, or why it is none: the one does not wait for the other.

    `finish` is the provider's word for why the answer ended.
    """

    usage: Usage
    finish: str
    outcome: Answer | ProviderFailed

    def answer(self) -> Answer:
        """Raises ProviderFailed when the reply is not what was asked for."""
        if isinstance(self.outcome, ProviderFailed):
            raise self.outcome
        return self.outcome


async def read_reply(workshop: Workshop, posted: Posted, provider: str, form: Format, key: str) -> Reading:
    """Raises ProviderFailed for a body that is no JSON, or takes too much work to read."""
    body = posted.body
    try:
        found = await workshop.do("read_reply", body, provider, form, key, size=len(body))
    except WorkFailed as failure:
        raise _unreadable(str(failure), Kind.UNPARSABLE) from None
    if found == NOT_JSON:
        raise _unreadable(NOT_JSON, Kind.UNKNOWN)
    tokens, finish, (what, value) = found
    return Reading(Usage(*tokens), finish, _outcome(what, value, posted.wait))


def _outcome(what: str, value: object, wait: float | None) -> Answer | ProviderFailed:
    match what, value:
        case "plain", str() | bool():
            return value
        case "json", (dict(fields), str(text)):
            return JsonObject(fields, text)
        case "fault", (str(kind), str(reason), None | int() as status, None | float() as inner):
            return _fault(Kind(kind), reason, status, wait if inner is None else inner)
        case "open", _:
            return Undecided("DESERIALIZING", Kind.UNPARSABLE, ctx={"rust_error": value})
        case "broke", _:
            log.error("answer_broke_its_reader", error=value)
            return _unreadable(f"broke: {value}", Kind.UNPARSABLE)
        case _:
            return _unreadable(str(value), Kind.UNPARSABLE)


def _fault(kind: Kind, reason: str, status: int | None, wait: float | None) -> ProviderFailed:
    """With the status that the provider put into the body, so that a rate limit is seen for one."""
    ctx: dict[str, object] = {"status": 200 if status is None else status, "rust_error": reason}
    return ProviderFailed("NO_ANSWER" if status is None else "STATUS_NOT_OK", kind, ctx=ctx, retry_after=wait)


def _unreadable(reason: str, kind: Kind) -> ProviderFailed:
    return ProviderFailed("DESERIALIZING", kind, ctx={"status": 200, "rust_error": reason})

"""From the bytes of a provider's 200 reply to an answer (modules.md, 2.6, 2.7)."""

from __future__ import annotations

from dataclasses import dataclass

from genvm_llm.answers import Answer, JsonObject, Undecided
from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.prompt import Format
from genvm_llm.text_jobs import NOT_JSON
from genvm_llm.usage import Usage
from genvm_llm.workshop import WorkFailed, Workshop


@dataclass(frozen=True, slots=True)
class Reading:
    """What was paid for, and the answer, or why it is none: the one does not wait for the other."""

    usage: Usage
    empty: bool
    outcome: Answer | ProviderFailed

    def answer(self) -> Answer:
        """Raises ProviderFailed when the reply is not what was asked for."""
        if isinstance(self.outcome, ProviderFailed):
            raise self.outcome
        return self.outcome


async def read_reply(workshop: Workshop, body: bytes, provider: str, form: Format, key: str) -> Reading:
    """Raises ProviderFailed for a body that is no JSON, or takes too much work to read."""
    try:
        found = await workshop.do("read_reply", body, provider, form, key, size=len(body))
    except WorkFailed as failure:
        raise _unreadable(str(failure), Kind.UNPARSABLE) from None
    if found == NOT_JSON:
        raise _unreadable(NOT_JSON, Kind.UNKNOWN)
    tokens, full, (what, value) = found
    return Reading(Usage(*tokens), not full, _outcome(what, value))


def _outcome(what: str, value: object) -> Answer | ProviderFailed:
    match what, value:
        case "plain", str() | bool():
            return value
        case "json", (dict(fields), str(text)):
            return JsonObject(fields, text)
        case "open", _:
            return Undecided("DESERIALIZING", Kind.UNPARSABLE, ctx={"rust_error": value})
        case _:
            return _unreadable(str(value), Kind.UNPARSABLE)


def _unreadable(reason: str, kind: Kind) -> ProviderFailed:
    return ProviderFailed("DESERIALIZING", kind, ctx={"status": 200, "rust_error": reason})

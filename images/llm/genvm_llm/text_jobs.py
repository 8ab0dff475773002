"""What workers do: pure functions of plain values, also called in place when there is little to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from genvm_llm import filters
from genvm_llm.answers import Answer, JsonObject, Undecided, answer_of, json_object
from genvm_llm.bodies import parsed
from genvm_llm.failures import ProviderFailed
from genvm_llm.json_text import NotAnObject
from genvm_llm.judging import fault_of_reply
from genvm_llm.masks import answer_mask_of, mask_of
from genvm_llm.prompt import Format
from genvm_llm.providers import PROVIDERS
from genvm_wire.masking import Mask

NOT_JSON = "the reply is not JSON"
LONGEST_FINISH, LONGEST_REASON = 40, 400
"""Characters that are told, of what has been masked: half a key would be no key to a mask."""
LONGEST_ANSWER = 1024 * 1024
"""Characters: many times what a model writes with all the tokens it may have."""

Plain = Any
"""None, truth values, numbers, texts, bytes, and tuples, lists and maps of them."""


def filtered(texts: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Each text through the filters `names`."""
    return {key: filters.apply(text, names) for key, text in texts.items()}


def read_reply(body: bytes, provider: str, form: Format, key: str) -> Plain:
    """A provider's reply: `(tokens, why it ended, answer)`, or a text that says why it is none.

    The key that the provider was asked with is in nothing of it, in no spelling that a mask knows; a key that
    is only a placeholder may be in the answer.
    """
    try:
        reply = PROVIDERS[provider].read(parsed(body), form)
    except (ValueError, RecursionError):
        return NOT_JSON
    content, usage = reply.content, reply.usage
    too_long = isinstance(content, str) and len(content) > LONGEST_ANSWER
    tokens = (usage.input, usage.output, usage.total, usage.cache_read, usage.cache_write)
    mask = mask_of(key)
    finish = mask.text(reply.finish)[:LONGEST_FINISH]
    if too_long:
        return tokens, finish, ("failed", f"the answer is longer than {LONGEST_ANSWER} characters")
    if (fault := fault_of_reply(reply, form)) is not None:
        reason = mask.text(fault.reason)[:LONGEST_REASON]
        return tokens, finish, ("fault", (fault.kind.value, reason, fault.status, fault.wait))
    return tokens, finish, _answer(content, form, answer_mask_of(key))


def _answer(content: Any, form: Format, mask: Mask) -> Plain:
    try:
        return _packed(answer_of(mask.value(content), form))
    except ProviderFailed as failure:
        reason = str(failure.ctx.get("rust_error", ""))
        return "open" if isinstance(failure, Undecided) else "failed", reason
    except Exception as error:  # a defect of ours, and what was paid for is counted all the same
        return "broke", type(error).__name__


def _packed(answer: Answer) -> Plain:
    if isinstance(answer, JsonObject):
        return "json", (dict(answer.value), answer.text)
    return "plain", answer


def read_object(content: Plain) -> Plain:
    """`(value, text)` of a JSON object that somebody wrote as text or as a value; None when it is none."""
    try:
        found = json_object(content)
    except (NotAnObject, TypeError):
        return None
    return dict(found.value), found.text


JOBS: Mapping[str, Callable[..., Plain]] = {
    "filtered": filtered,
    "read_reply": read_reply,
    "read_object": read_object,
}

"""Whether a reply under status 200 is an answer at all (modules.md, correction 2)."""

from __future__ import annotations

from genvm_llm.failures import Kind
from genvm_llm.prompt import Format
from genvm_llm.providers.endings import Ending
from genvm_llm.providers.exchange import Reply
from genvm_llm.providers.faults import Fault, tool_called
from genvm_llm.spelled_calls import begins_with_call
from genvm_llm.thoughts import ends_in_thoughts, only_thoughts, without_thoughts


def fault_of_reply(reply: Reply, form: Format) -> Fault | None:
    """Why it is none; None where it is one, the empty answer that a model chose and was paid for included."""
    if reply.fault is not None:
        return reply.fault
    if reply.ending is Ending.BROKEN:
        return Fault(Kind.NO_ANSWER, f"the server gave up: {reply.finish or 'a piece of a stream'}")
    if _is_a_draft(reply, form):
        if reply.ending is Ending.LENGTH:
            return Fault(Kind.CUT_OFF, "the tokens were used up before the answer began")
        return Fault(Kind.NO_ANSWER, "it was still thinking when it ended")
    said = without_thoughts(reply.content).strip() if isinstance(reply.content, str) else reply.content
    if isinstance(said, str) and begins_with_call(said):
        return tool_called()
    if said or isinstance(said, dict):
        return None
    if reply.ending is Ending.LENGTH:
        return Fault(Kind.CUT_OFF, "the tokens were used up before the answer began")
    if reply.ending is Ending.NATURAL and reply.usage.any:
        return None
    return Fault(Kind.NO_ANSWER, f"no text, and no natural end: {reply.finish or 'nothing said'}")


def _is_a_draft(reply: Reply, form: Format) -> bool:
    """Thoughts that never ended. A model that ended by itself may have meant them for whoever reads text."""
    finished = reply.ending is Ending.NATURAL
    if not isinstance(reply.content, str):
        return False
    if only_thoughts(reply.content, finished=finished):
        return form != "text" or not finished
    return form != "text" and reply.ending is Ending.LENGTH and ends_in_thoughts(reply.content)

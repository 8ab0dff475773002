"""What a leader may put into a comparison (docs/llm.md, "The room that a model has").

A validator's model has a bounded context. A leader that answers with more than fits would make every
validator's call fail, and so keep all of them from voting. Cutting its text would let it hide what follows.
"""

from __future__ import annotations

from genvm_llm.requests import PromptRequest, Request

LEADERS_OWN = {"EqComparative": "leader_answer", "EqNonComparativeValidator": "output"}
"""The value that the leader alone has written; all others come from the contract or from this node."""
DISPROPORTION = 4


def beyond_comparison(request: Request, most_bytes: int) -> bool:
    """Whether the leader's text is longer than `most_bytes` and than four times all the rest together.

    Whatever is so much longer than what this node has before it is not equivalent, and no model need say so.
    """
    if isinstance(request, PromptRequest) or request.kind not in LEADERS_OWN:
        return False
    sizes = {name: len(value.encode("utf-8", "surrogatepass")) for name, value in request.values.items()}
    leaders = sizes.pop(LEADERS_OWN[request.kind])
    return leaders > max(most_bytes, DISPROPORTION * sum(sizes.values()))

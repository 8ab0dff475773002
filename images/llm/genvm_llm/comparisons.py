"""What a leader may put into a comparison (docs/llm.md, "The room that a model has").

A validator's model has a bounded context. A leader that answers with more than fits would make every
validator's call fail, and so keep all of them from voting. Cutting its text would let it hide what follows.
"""

from __future__ import annotations

from collections.abc import Mapping

LEADERS_OWN = {"EqComparative": "leader_answer", "EqNonComparativeValidator": "output"}
"""The value that the leader alone has written; all others come from the contract or from this node."""
DISPROPORTION = 4


class BeyondComparison(Exception):
    """The leader's text is out of all proportion: not equivalent, and no model need say so."""


def check_proportion(kind: str, values: Mapping[str, str], most_bytes: int) -> None:
    """Raises BeyondComparison where the leader's text is longer than `most_bytes` and than four times all the
    rest of the template `kind` together.

    Whatever is so much longer than what this node has before it is not equivalent.
    """
    if kind not in LEADERS_OWN:
        return
    sizes = {name: utf8_size(value) for name, value in values.items()}
    leaders = sizes.pop(LEADERS_OWN[kind])
    if leaders > max(most_bytes, DISPROPORTION * sum(sizes.values())):
        raise BeyondComparison


def utf8_size(text: str) -> int:
    """Bytes, those of half characters included."""
    return len(text.encode("utf-8", "surrogatepass"))

"""Telling by its content what a body of `POST /genvm/run` is (manager-api 1.5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genvm_wire import calldata
from genvm_wire.calldata import LONGEST_TEXT, NUMBER_TOO_LONG, TEXT_TOO_LONG, CalldataError
from orchestrator.api.body import BodyTooLarge, WrongShape, decode_json, shaped
from orchestrator.api.json_text import MOST_ITEMS
from orchestrator.api.wire.generation_a import RunBodyA
from orchestrator.api.wire.generation_b import RunBodyB1, RunBodyB2, RunBodyB3, RunBodyB4
from orchestrator.api.wire.generation_c import RunBodyC
from orchestrator.api.wire.run_body import RunBody

MAP_KIND, KIND_BITS = 6, 7
# No code travels in JSON; what is larger is not even looked at.
JSON_BYTES = 1024 * 1024

# The first key that is there decides.
DISCRIMINATORS: tuple[tuple[str, type[RunBody]], ...] = (
    ("selector", RunBodyC),
    ("storage_pages", RunBodyB1),
    ("data_fees_limit", RunBodyB2),
    ("capture_output", RunBodyB3),
)


@dataclass(frozen=True, slots=True)
class ReceivedBody:
    """A decoded body and the model that it has to fit."""

    model: type[RunBody]
    value: Any

    def shaped(self) -> RunBody:
        """Raises WrongShape."""
        return shaped(self.model, self.value)

    def host_to_wake(self) -> str | None:
        """Where a client listens that does not notice a refusal."""
        host = self.value.get("host") if isinstance(self.value, dict) and self.model.wakes_host else None
        return host if isinstance(host, str) else None


def received(body: bytes) -> ReceivedBody:
    """A calldata map or a JSON text: their first bytes have nothing in common.

    Raises BadBody, BodyTooLarge, WrongShape.
    """
    if not body or body[0] & KIND_BITS != MAP_KIND:
        if len(body) > JSON_BYTES:
            raise BodyTooLarge(f"the body is JSON larger than {JSON_BYTES} bytes: code travels in calldata")
        return ReceivedBody(RunBodyA, decode_json(body))
    try:
        value = calldata.decode(body, max_items=MOST_ITEMS, max_text=LONGEST_TEXT)
    except CalldataError as error:
        if error.reason in (TEXT_TOO_LONG, NUMBER_TOO_LONG):
            raise BodyTooLarge(f"a text or number in the body is larger than {LONGEST_TEXT} bytes") from None
        raise WrongShape(f"the body is not calldata: {error}") from None
    assert isinstance(value, dict)
    return ReceivedBody(_model(value), value)


def _model(value: Mapping[str, Any]) -> type[RunBody]:
    return next((model for key, model in DISCRIMINATORS if key in value), RunBodyB4)

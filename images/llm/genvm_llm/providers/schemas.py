"""The shapes of answers, as JSON Schema, for servers that enforce them."""

from __future__ import annotations

from genvm_llm.merging import Json

ANY_OBJECT: dict[str, Json] = {"type": "object", "additionalProperties": True}
DECISION: dict[str, Json] = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "description": "at most ten words"},
        "result": {"type": "boolean"},
    },
    "required": ["reason", "result"],
    "additionalProperties": False,
}
"""The reason first, as the templates ask for it: servers write members in the order of `properties`."""

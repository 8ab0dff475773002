"""Messages as tests send them: what is none, and what is read out of the very bytes that would be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from genvm_wire.calldata import Encodable, encode
from genvm_wire.messages import Message
from orchestrator.runtime.frame_stream import AnyMessage, Reading, message_in


class Raw(Message):
    """Any map, sent as it is."""

    kind: ClassVar = "raw"
    said: Mapping[str, Encodable]

    def as_map(self) -> dict[str, Encodable]:
        return dict(self.said)


def carried(message: Message, read: Reading[AnyMessage]) -> AnyMessage:
    """What arrives of a message at whoever reads it so."""
    return message_in(encode(message.as_map()), read)

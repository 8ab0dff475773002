"""What no message is, for those who are to refuse it, and jobs for programs that read only their own keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from genvm_wire.calldata import Encodable
from genvm_wire.messages import Message


class Raw(Message):
    """Any map, sent as it is."""

    kind: ClassVar = "raw"
    said: Mapping[str, Encodable]

    def as_map(self) -> dict[str, Encodable]:
        return dict(self.said)

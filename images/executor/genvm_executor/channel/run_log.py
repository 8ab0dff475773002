"""Log records of a run: bounded, the newest kept."""

from __future__ import annotations

from collections import deque

from genvm_wire.calldata import Encodable

MAX_MESSAGE = 16 * 1024


class RunLog:
    """Up to `limit` records; `total` counts all."""

    def __init__(self, limit: int) -> None:
        self._records: deque[dict[str, Encodable]] = deque(maxlen=limit)
        self.total = 0

    def add(self, level: str, message: str, **fields: Encodable) -> None:
        """Keep one record. Level: `trace`, `debug`, `info`, `warn` or `error`."""
        self.total += 1
        self._records.append(
            {"level": level, "message": message[:MAX_MESSAGE], "target": "genvm_executor", **fields}
        )

    def take(self, record: dict[str, Encodable]) -> None:
        """Keep a record that another program wrote."""
        self.total += 1
        self._records.append(record)

    def records(self) -> list[dict[str, Encodable]]:
        return list(self._records)

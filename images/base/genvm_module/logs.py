"""Structured logs of a module: one JSON line per event on stderr, and the same to the manager, both redacted.

Nothing logs prompts, bodies or host_data. Redaction is the second line: values under telling names, and
values that were declared secret wherever they turn up in a text.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections import deque
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any, TextIO

import structlog

from genvm_module.values import REDACTED, carried
from genvm_wire.calldata import Encodable
from genvm_wire.masking import Mask

TELLING = re.compile(r"authorization|key|token|secret|cookie|password|host_data", re.IGNORECASE)
SHORTEST_SECRET = 6
"""Shorter values are no secrets worth the name, and hiding them would tear up ordinary words."""
MOST_PASSING = 64
QUEUE_LIMIT = 1000
BATCH = 100
LEVELS = {"trace": 10, "debug": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "off": 100}


class Redactor:
    """A structlog processor. `learn` adds values that must appear nowhere.

    Of those that runs bring along, one after another, the newest MOST_PASSING are known.
    """

    def __init__(self) -> None:
        self._lasting: dict[str, None] = {}
        self._passing: dict[str, None] = {}
        self._mask = Mask()

    def learn(self, secrets: Iterable[str], *, passing: bool = False) -> None:
        known = self._passing if passing else self._lasting
        fresh = [one for one in secrets if len(one) >= SHORTEST_SECRET and one not in known]
        known.update(dict.fromkeys(fresh))
        while len(self._passing) > MOST_PASSING:
            del self._passing[next(iter(self._passing))]
        if fresh:
            secrets = (*self._lasting, *self._passing)
            self._mask = Mask(secrets, mask=REDACTED, shortest=SHORTEST_SECRET)

    def text(self, text: str) -> str:
        return self._mask.text(text)

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: REDACTED if TELLING.search(key) else self._clean(value) for key, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                key: REDACTED if TELLING.search(str(key)) else self._clean(item)
                for key, item in value.items()
            }
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return [self._clean(item) for item in value]
        return value


REDACTOR = Redactor()
"""One per process, because whatever writes a line must know every secret."""


class RecordQueue:
    """Records on their way to the manager; the oldest are dropped when nobody takes them."""

    def __init__(self) -> None:
        self._records: deque[dict[str, Encodable]] = deque(maxlen=QUEUE_LIMIT)
        self._filled = asyncio.Event()

    def put(self, record: dict[str, Encodable]) -> None:
        self._records.append(record)
        self._filled.set()

    async def next_batch(self) -> list[dict[str, Encodable]]:
        """Wait for records and take up to a hundred."""
        await self._filled.wait()
        batch = [self._records.popleft() for _ in range(min(BATCH, len(self._records)))]
        if not self._records:
            self._filled.clear()
        return batch

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        record = {key: carried(value) for key, value in event.items() if key != "event"}
        self.put({**record, "message": str(carried(event.get("event", "")))})
        return event


def name_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """`exc_info` as type, text and places: source lines would be read from disk on the event loop."""
    if not event.pop("exc_info", None) or (error := sys.exc_info()[1]) is None:
        return event
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {
        **event,
        "error": type(error).__name__,
        "text": REDACTOR.text(str(error))[:500],
        "trace": places[-12:],
    }


class _Structured(logging.Handler):
    """Library log records, through the same redaction."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), logger=record.name)


def set_up(records: RecordQueue | None = None, level: str = "info", stream: TextIO | None = None) -> None:
    """Configure structlog and the standard library's logging for this process."""
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_exception,
        REDACTOR,
    ]
    if records is not None:
        processors.append(records)
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, 20)),
        logger_factory=structlog.PrintLoggerFactory(file=stream or sys.stderr),
    )
    logging.basicConfig(handlers=[_Structured()], level=logging.WARNING, force=True)

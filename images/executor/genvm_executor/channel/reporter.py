"""Everything that a run tells the manager: output while it runs, its outcome at the end."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from genvm_executor.channel.control import ControlChannel
from genvm_executor.channel.run_log import RunLog
from genvm_executor.machine.output import OutputTail
from genvm_wire.frames import OUTPUT_CHUNK
from genvm_wire.instance_messages import Failed, Finishing, Log, Output, Result, Resume

TICK_SECONDS = 0.05
BYTES_PER_TICK = 96 * 1024
"""Both streams together: about 2 MB/s, whatever a contract prints."""
LOG_BATCH = 64


class Reporter:
    """Owns the order of the protocol's messages: output and log, `finishing`, then the final message."""

    def __init__(
        self, channel: ControlChannel, run: int, outputs: Mapping[str, OutputTail], log: RunLog
    ) -> None:
        self._channel = channel
        self._run = run
        self._outputs = outputs
        self._log = log
        self._pumping = threading.Lock()
        self._final: Result | Failed | None = None

    def pump(self) -> None:
        """Send a tick's worth of output."""
        with self._pumping:
            self._send_output(BYTES_PER_TICK)

    def finishing(self) -> None:
        """Send what is left of output and log, and say that delivery starts."""
        with self._pumping:
            self._send_output(None)
            records = self._log.records()
            for start in range(0, len(records), LOG_BATCH):
                self._channel.send(Log(records[start : start + LOG_BATCH]))
        self._channel.send(Finishing(self._run))

    def result(self, code: int, payload: bytes, delivered: bool, stats: Mapping[str, int]) -> None:
        self._finish(Result(self._run, code, payload, delivered, stats))

    def failed(self, failure: str, message: str) -> None:
        """`failure` as in `Failed`."""
        with self._pumping:
            self._send_output(None)
        self._finish(Failed(self._run, failure, message))

    def resume(self) -> None:
        """Say after a reconnect which run this is, and repeat the final message if there is one."""
        final = self._final
        self._channel.send(Resume(self._run, final is not None))
        if final is not None:
            with self._pumping:
                self._send_output(None)
            self._channel.send(final)

    def _finish(self, message: Result | Failed) -> None:
        self._final = message
        self._channel.send(message)

    def _send_output(self, allowance: int | None) -> None:
        for stream, tail in self._outputs.items():
            while allowance is None or allowance > 0:
                piece = tail.take(OUTPUT_CHUNK if allowance is None else min(OUTPUT_CHUNK, allowance))
                if piece is None:
                    break
                if allowance is not None:
                    allowance -= len(piece.data)
                if not self._channel.send(Output(stream, piece.offset, piece.data)):
                    tail.put_back(piece)
                    return

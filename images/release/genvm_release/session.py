"""Waits for the job, and has it served."""

from __future__ import annotations

import logging
from pathlib import Path

from genvm_executor.channel.account import Account
from genvm_executor.channel.control import ControlChannel, close_all
from genvm_executor.channel.run_log import RunLog
from genvm_release.early import EARLY
from genvm_release.serving import NODE, Serving
from genvm_wire.frames import FrameClosed
from genvm_wire.instance_messages import JobMessage, Ready
from genvm_wire.messages import MessageInvalid

_log = logging.getLogger(__name__)


def serve_one(channel: ControlChannel, program: Path, name: str, idle: float) -> int:
    """Serve the job that comes; the exit code. 0 without a job as well.

    `name` is what the manager is told of this executor; `idle`: for how many seconds a manager
    that is gone is waited for while there is no job.
    """
    while True:
        channel.send(Ready(name, inlet=EARLY))
        try:
            message, descriptors = channel.receive()
        except MessageInvalid as invalid:
            return _refuse(channel, invalid.run, str(invalid))
        except FrameClosed:
            if channel.connect_again(idle):
                continue
            return 0
        if not isinstance(message, JobMessage):
            close_all(descriptors)
            return 0
        if len(message.sockets) != len(descriptors) or NODE not in message.sockets:
            close_all(descriptors)
            return _refuse(
                channel, message.run, f"{list(message.sockets)} with {len(descriptors)} descriptors"
            )
        return Serving(channel, message, dict(zip(message.sockets, descriptors, strict=True))).serve(program)


def _refuse(channel: ControlChannel, run: int | None, text: str) -> int:
    """Tell the manager that the job is none."""
    account = Account(channel, -1 if run is None else run, {}, RunLog(0), until=0.0, cancel=lambda: None)
    account.reporter.failed("protocol", text)
    account.settle()
    return 1

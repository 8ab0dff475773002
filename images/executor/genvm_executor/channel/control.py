"""The control channel to the manager (docs/instance-protocol.md), from either of the executor's threads.

Sending never fails: what cannot be sent because the channel is broken is dropped, and what must not be lost
(the final message) is repeated after the next connect.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import assert_never

from genvm_executor.channel.pledge import Word
from genvm_wire.frames import FrameClosed, FrameError, FrameSocket
from genvm_wire.instance_messages import (
    Ack,
    Cancel,
    Code,
    Compile,
    Exit,
    FromInstance,
    JobMessage,
    Nested,
    Ready,
    ToInstance,
    to_instance,
)
from genvm_wire.messages import MessageInvalid

DEFAULT_PATH = "/run/genvm/control.sock"
PATH_VARIABLE = "GENVM_CONTROL"
LONGEST_NAME = 12
"""Bytes of a socket's name: the filter lets addresses through that are shorter than internet ones."""
RECONNECT_SECONDS = 0.2
FIRST_SECONDS, FIRST_PAUSE = 20.0, 0.01
"""For one that nobody listens at yet, and between two tries."""
NOT_YET = (FileNotFoundError, ConnectionRefusedError)

_log = logging.getLogger(__name__)


class ChannelUnavailable(Exception):
    """The manager does not listen at the control path."""


class ControlChannel:
    """One connection at a time; `connect` replaces a broken one.

    The process works in the control socket's directory from then on: the address has to be a short one.
    """

    def __init__(self, path: str | None = None) -> None:
        """Raises ChannelUnavailable."""
        path = path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH
        directory, self._name = os.path.split(path)
        if len(os.fsencode(self._name)) > LONGEST_NAME:
            raise ChannelUnavailable(f"{path}: the socket's name is over {LONGEST_NAME} bytes")
        try:
            os.chdir(directory or ".")
        except OSError as error:
            raise ChannelUnavailable(f"cannot work in {directory}: {error}") from error
        self._lock = threading.Lock()
        self._frames: FrameSocket | None = None

    def connect(self) -> None:
        """Raises ChannelUnavailable."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(self._name)
        except OSError as error:
            sock.close()
            raise ChannelUnavailable(f"cannot connect to {self._name} in {_here()}: {error}") from error
        with self._lock:
            self._frames = FrameSocket(sock)

    def connect_first(self) -> None:
        """Connect; who listens may itself be about to start, or be started anew, as in a Pod.

        Raises ChannelUnavailable.
        """
        end = time.monotonic() + FIRST_SECONDS
        while True:
            try:
                return self.connect()
            except ChannelUnavailable as error:
                if not isinstance(error.__cause__, NOT_YET) or time.monotonic() >= end:
                    raise
            time.sleep(FIRST_PAUSE)

    def send(self, message: FromInstance) -> bool:
        """Send one frame; whether it left. Thread-safe."""
        with self._lock:
            if self._frames is None:
                return False
            try:
                self._frames.send(message.as_map())
            except FrameClosed:
                self._drop()
                return False
            return True

    def receive(self) -> tuple[ToInstance, list[int]]:
        """The next message and the descriptors that came with it; one thread at a time.

        Raises FrameClosed when the channel broke or was broken; MessageInvalid for a job that is none, which
        the manager is to be told.
        """
        frames = self._frames
        if frames is None:
            raise FrameClosed("the channel is broken")
        fds: list[int] = []
        try:
            raw, fds = frames.receive()
            return to_instance(raw), fds
        except FrameError as error:
            close_all(fds)
            if isinstance(error, MessageInvalid) and error.kind == JobMessage.kind:
                raise
            _log.warning("manager broke the instance protocol: %s", error)
            self.close()
            raise FrameClosed(str(error)) from error
        except FrameClosed:
            self.close()
            raise

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._frames is not None:
            # Shutting down first wakes a thread that is blocked on the other direction.
            with suppress(OSError), socket.socket(fileno=os.dup(self._frames.fileno())) as twin:
                twin.shutdown(socket.SHUT_RDWR)
            self._frames.close()
            self._frames = None

    def connect_again(self, seconds: float) -> bool:
        """Try to connect for so long; whether it worked."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(RECONNECT_SECONDS)
            with suppress(ChannelUnavailable):
                self.connect()
                return True
        return False

    def ready(self, executor: str, served: int, runs: int, word: Word | None = None) -> None:
        """Wait for a job: of `runs` jobs in all, `served` are over."""
        proof, promise = (None, None) if word is None else (word.proof, word.promise)
        self.send(Ready(executor, served, runs, proof, promise))


def close_all(fds: list[int]) -> None:
    """Descriptors that came with a message and are of no use."""
    for fd in fds:
        with suppress(OSError):
            os.close(fd)


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "a directory that is gone"


class ControlReader(threading.Thread):
    """Serves what comes after the job, and reconnects a broken channel until the process ends."""

    def __init__(
        self,
        channel: ControlChannel,
        run: int,
        cancel: Callable[[], None],
        resume: Callable[[], None],
        answered: Callable[[Nested | Code], None],
    ) -> None:
        """`answered` gets the answers to what the run asked for."""
        super().__init__(name="control", daemon=True)
        self._channel = channel
        self._run_id = run
        self._cancel = cancel
        self._resume = resume
        self._answered = answered
        self.acknowledged = threading.Event()
        self.dismissed = False

    def run(self) -> None:
        while not self.acknowledged.is_set():
            try:
                message, fds = self._channel.receive()
            except FrameClosed:
                self._reconnect()
                continue
            except MessageInvalid:
                self._refuse_job()
                continue
            close_all(fds)
            self._serve(message)

    def _serve(self, message: ToInstance) -> None:
        match message:
            case Cancel(run=self._run_id):
                self._cancel()
            case Ack(run=self._run_id):
                self.acknowledged.set()
            case Exit():
                self.dismissed = True
                self.acknowledged.set()
            case Nested(run=self._run_id) | Code(run=self._run_id):
                self._answered(message)
            case Cancel() | Ack() | Nested() | Code():
                _log.warning("ignored a message about another run")
            case JobMessage() | Compile():
                self._refuse_job()
            case _:
                assert_never(message)

    def _refuse_job(self) -> None:
        _log.warning("the manager sent another job during a run")
        self._channel.close()

    def _reconnect(self) -> None:
        while not self.acknowledged.wait(RECONNECT_SECONDS):
            with suppress(ChannelUnavailable):
                self._channel.connect()
                self._resume()
                return

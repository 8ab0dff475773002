"""A module's end of a run's socket pair: it takes what comes, byte for byte, and answers as it was told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from genvm_wire.calldata import Encodable, Value, decode, encode


@dataclass
class ModulePeer:
    """Reads hello, then answers one request after another; when there is no answer left, it closes.

    An answer is a value to be framed, or raw bytes, or None: nothing comes.
    """

    answers: Sequence[Encodable]
    hello: dict[str, Value] = field(default_factory=dict)
    requests: list[Any] = field(default_factory=list)
    raw: bytes = b""
    asked: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.executor_side, self._socket = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.executor_side.close()
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        stream = cast("BinaryIO", self._socket.makefile("rwb"))
        try:
            hello = decode(self._message(stream))
            assert isinstance(hello, dict)
            self.hello = hello
            for answer in self.answers:
                self.requests.append(decode(self._message(stream)))
                self.asked.set()
                if answer is None:
                    stream.read(1)
                    return
                if isinstance(answer, bytes):
                    stream.write(answer)
                else:
                    body = encode(answer)
                    stream.write(len(body).to_bytes(4, "big") + body)
                stream.flush()
        except (OSError, ValueError):
            return
        finally:
            with suppress(OSError):
                stream.close()
                self._socket.shutdown(socket.SHUT_RDWR)

    def _message(self, stream: BinaryIO) -> bytes:
        head = stream.read(4)
        body = stream.read(int.from_bytes(head, "big"))
        self.raw += head + body
        return body

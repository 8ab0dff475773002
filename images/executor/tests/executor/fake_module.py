"""A module at the other end of a socket pair: says what it is told to, keeps what it got."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

from genvm_wire.calldata import Encodable, Value, decode, encode


class FakeModule:
    """Answers the requests after hello with `answers`, in order: values, or the bytes of whole frames.

    A null ends the stream instead; when the answers are used up, requests stay unanswered.
    """

    def __init__(self, *answers: Encodable) -> None:
        self.executor_side, self._socket = socket.socketpair()
        self.hello: Value = None
        self.requests: list[Value] = []
        self.raw: list[bytes] = []
        self.asked = threading.Event()
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(answers,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()
        self._thread.join(5)

    def _serve(self, answers: Sequence[Encodable]) -> None:
        stream = self._socket.makefile("rwb")
        waiting = list(answers)
        with self._socket, stream:
            while head := stream.read(4):
                body = stream.read(int.from_bytes(head, "big"))
                self.raw.append(head + body)
                if self.hello is None:
                    self.hello = decode(body)
                    continue
                self.requests.append(decode(body))
                self.asked.set()
                if not waiting:
                    continue
                answer = waiting.pop(0)
                if answer is None:
                    self._socket.shutdown(socket.SHUT_RDWR)
                    break
                stream.write(answer if isinstance(answer, bytes) else framed(answer))
                stream.flush()
        self.ended.set()


def framed(answer: Encodable) -> bytes:
    body = encode(answer)
    return len(body).to_bytes(4, "big") + body


def prompted(data: Encodable, consumed: int = 0) -> Encodable:
    """A successful answer to a prompt."""
    return {"Ok": {"consumed_gen": consumed, "data": data}}

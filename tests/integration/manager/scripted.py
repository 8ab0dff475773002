"""An instance program whose job's `host_data` says what it does; for the manager's own tests only.

It speaks the instance protocol and, on the host connection, one line: what it was told to say to the node.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

from genvm_wire.frames import FrameSocket
from genvm_wire.host_tables import ResultForm
from genvm_wire.results import ResultCode, RunResult, build

VM_ERROR_TIMEOUT = b"\x02\x16\x0bfingerprint\x00\x07message<timeout"


class Instance:
    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(os.environ["GENVM_CONTROL"])
        self.channel = FrameSocket(self.sock)

    def run(self) -> None:
        self.channel.send({"kind": "ready", "protocol": 1, "executor": "scripted"})
        job, fds = self.channel.receive()
        self.job = job
        self.host = socket.socket(fileno=fds[0])
        script = json.loads(str(job["host_data"]))
        for step, argument in script.items():
            getattr(self, f"do_{step}")(argument)
        self.finish(b"\0\0")

    def finish(self, payload: bytes) -> None:
        run = self.job["run"]
        self.channel.send({"kind": "finishing", "run": run})
        try:
            self.host.sendall(b"result\n")
            self.host.recv(1)
        except OSError:
            pass
        self.channel.send(
            {
                "kind": "result",
                "run": run,
                "code": payload[0],
                "payload": payload,
                "delivered": True,
                "stats": {},
            }
        )
        self.channel.receive()
        os._exit(0)

    def do_answer(self, size: int) -> None:
        """Return that many bytes, in the form that the newest clients take."""
        result = RunResult(code=ResultCode.RETURN, data=bytes(size))
        self.finish(build(result, ResultForm.C))

    def do_result(self, payload: str) -> None:
        """End with a result of one's own, in hexadecimal."""
        self.finish(bytes.fromhex(payload))

    def do_show_job(self, keys: list[str]) -> None:
        """Print what the job says under `keys`."""
        self.do_print(repr([self.job[key] for key in keys]))

    def do_print(self, text: str) -> None:
        self.printed = text.encode()
        self.channel.send({"kind": "output", "stream": "stdout", "offset": 0, "data": self.printed})

    def do_log(self, records: list[dict[str, Any]]) -> None:
        self.channel.send({"kind": "log", "records": records})

    def do_sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def do_exit(self, code: int) -> None:
        os._exit(code)

    def do_signal(self, number: int) -> None:
        os.kill(os.getpid(), number)

    def do_obey(self, _: object) -> None:
        """Wait for `cancel`, then end as the protocol asks."""
        message, _fds = self.channel.receive()
        assert message["kind"] == "cancel", message
        self.finish(VM_ERROR_TIMEOUT)

    def do_ignore(self, _: object) -> None:
        signal.pause()

    def do_wait_for_host(self, _: object) -> None:
        """Until the node closes; then say that it did."""
        self.host.recv(1)
        self.channel.send(
            {"kind": "failed", "run": self.job["run"], "class": "upstream", "message": "the node went away"}
        )
        self.channel.receive()
        os._exit(1)

    def do_garbage(self, _: object) -> None:
        self.sock.sendall(b"\x04\0\0\0\xff\xff\xff\xff")
        signal.pause()

    def do_flood(self, _: object) -> None:
        chunk = bytes(65536)
        offset = 0
        while True:
            self.channel.send({"kind": "output", "stream": "stdout", "offset": offset, "data": chunk})
            offset += len(chunk)

    def do_say(self, message: dict[str, Any]) -> None:
        """One message as told; texts under `data` and `payload` go as bytes."""
        run = {"run": self.job["run"]}
        raw = {key: message[key].encode() for key in ("data", "payload") if key in message}
        self.channel.send({**run, **message, **raw})
        signal.pause()

    def do_fail(self, message: str) -> None:
        self.channel.send({"kind": "failed", "run": self.job["run"], "class": "internal", "message": message})
        self.channel.receive()
        os._exit(1)

    def do_reconnect(self, _: object) -> None:
        """Lose the channel and come back, as an executor does whose manager was replaced."""
        self.sock.close()
        self.__init__()  # type: ignore[misc]
        self.channel.send({"kind": "resume", "protocol": 1, "run": self.job["run"], "finished": False})
        self.do_print(self.printed.decode())

    def do_slow_delivery(self, seconds: float) -> None:
        """Outcome known, the node slow to take it."""
        self.channel.send({"kind": "finishing", "run": self.job["run"]})
        time.sleep(seconds)


if __name__ == "__main__":
    if sys.argv[1:] == ["dies"]:
        sys.exit(9)
    Instance().run()

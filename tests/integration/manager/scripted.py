"""An instance program whose job's `host_data` says what it does; for the manager's own tests only.

It speaks the instance protocol and, on the host connection, one line: what it was told to say to the node.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from genvm_wire.calldata import Value, decode, encode
from genvm_wire.frames import FrameClosed, FrameSocket, encode_frame
from genvm_wire.host_tables import ResultForm
from genvm_wire.instance_messages import (
    Cancel,
    Failed,
    Finishing,
    FromInstance,
    JobMessage,
    Log,
    Output,
    Ready,
    Result,
    Resume,
    to_instance,
)
from genvm_wire.results import ResultCode, RunResult, build

OUTPUT_PIECE = 64 * 1024
VM_ERROR_TIMEOUT = b"\x02\x16\x0bfingerprint\x00\x07message<timeout"

# What modules want of `host_data`, beside the script.
IDENTITY = ("node_address", "tx_id")


class Instance:
    def __init__(self) -> None:
        while not Path(os.environ["GENVM_CONTROL"]).exists():  # in a Pod, who listens may be about to start
            time.sleep(0.01)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(os.environ["GENVM_CONTROL"])
        self.channel = FrameSocket(self.sock)

    def run(self) -> None:
        self.channel.send(Ready("scripted").as_map())
        said, fds = self.channel.receive()
        job = to_instance(said)
        assert isinstance(job, JobMessage)
        self.job = job
        self.sockets = {name: socket.socket(fileno=fd) for name, fd in zip(job.sockets, fds, strict=True)}
        self.host = self.sockets["host"]
        self.greeted: set[str] = set()
        script = json.loads(job.host_data)
        for step, argument in script.items():
            if step in IDENTITY:
                continue
            getattr(self, f"do_{step}")(argument)
        self.finish(b"\0\0")

    def finish(self, payload: bytes) -> None:
        self.tell(Finishing(self.job.run))
        try:
            self.host.sendall(b"result\n")
            self.host.recv(1)
        except OSError:
            pass
        self.tell(Result(self.job.run, payload[0], payload, True, {}))
        self.channel.receive()
        os._exit(0)

    def do_result(self, payload: str) -> None:
        """End with a result of one's own, in hexadecimal."""
        self.finish(bytes.fromhex(payload))

    def do_show_job(self, keys: list[str]) -> None:
        """Print what the job says under `keys`; of bytes under `KEY_size` how many there are."""
        job: dict[str, Any] = self.job.as_map()
        told = [len(job[key[:-5]]) if key.endswith("_size") else job[key] for key in keys]
        self.do_print(repr(told))

    def do_answer(self, size: int) -> None:
        """Return that many bytes, in the form that the newest clients take."""
        result = RunResult(code=ResultCode.RETURN, data=bytes(size))
        self.finish(build(result, ResultForm.C))

    def tell(self, message: FromInstance) -> None:
        """Send; when the manager has gone, wait for the next one."""
        try:
            self.channel.send(message.as_map())
        except FrameClosed:
            self.come_back()
            self.channel.send(message.as_map())

    def come_back(self) -> None:
        self.sock.close()
        while True:
            try:
                self.__init__()  # type: ignore[misc]
            except OSError:
                time.sleep(0.05)
                continue
            break
        self.channel.send(Resume(self.job.run).as_map())

    def do_print(self, text: str) -> None:
        self.printed = text.encode()
        for offset in range(0, len(self.printed), OUTPUT_PIECE):
            piece = self.printed[offset : offset + OUTPUT_PIECE]
            self.tell(Output("stdout", offset, piece))

    def do_ask(self, questions: list[dict[str, Any]]) -> None:
        """Ask modules in turn; each answer is a line of output, and one that does not come says so."""
        said = [self.answer(str(one["module"]), one) for one in questions]
        lines = [json.dumps(one, default=lambda data: data.decode("latin-1")) for one in said]
        self.do_print("\n".join(lines))

    def answer(self, module: str, question: dict[str, Any]) -> Any:
        sock = self.sockets.get(module)
        if sock is None:
            return "not connected"
        request = question.get("request", question)
        requests = [request] if module in self.greeted else [{"genvm_id": self.job.run}, request]
        self.greeted.add(module)
        try:
            sock.sendall(b"".join(struct.pack(">I", len(body)) + body for body in map(encode, requests)))
            (length,) = struct.unpack(">I", self.exactly(sock, 4))
            return decode(self.exactly(sock, length))
        except (OSError, EOFError):
            return "no answer"

    @staticmethod
    def exactly(sock: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def do_tell_node(self, text: str) -> None:
        self.host.sendall(text.encode())

    def do_log(self, records: list[dict[str, Any]]) -> None:
        self.channel.send(Log(records).as_map())

    def do_sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def do_hold(self, _: object) -> None:
        """Until the test lays a file beside the control socket."""
        while not Path(os.environ["GENVM_CONTROL"]).with_name("go_on").exists():
            time.sleep(0.01)

    def do_exit(self, code: int) -> None:
        os._exit(code)

    def do_signal(self, number: int) -> None:
        os.kill(os.getpid(), number)

    def do_obey(self, _: object) -> None:
        """Wait for `cancel`, then end as the protocol asks."""
        message, _fds = self.channel.receive()
        assert to_instance(message) == Cancel(self.job.run)
        self.finish(VM_ERROR_TIMEOUT)

    def do_ignore(self, _: object) -> None:
        signal.pause()

    def do_wait_for_host(self, _: object) -> None:
        """Until the node closes; then say that it did."""
        self.host.recv(1)
        self.channel.send(Failed(self.job.run, "upstream", "the node went away").as_map())
        self.channel.receive()
        os._exit(1)

    def do_garbage(self, _: object) -> None:
        self.sock.sendall(b"\x04\0\0\0\xff\xff\xff\xff")
        signal.pause()

    def do_flood(self, _: object) -> None:
        chunk = bytes(65536)
        offset = 0
        while True:
            self.channel.send(Output("stdout", offset, chunk).as_map())
            offset += len(chunk)

    def do_records(self, counts: list[int]) -> None:
        """So many records in a frame, so many times."""
        records, times = counts
        frame = encode_frame(Log([{"level": "info", "message": "x"}] * records).as_map())
        for _ in range(times):
            self.sock.sendall(frame)

    def do_wide_records(self, shape: list[int]) -> None:
        """So many records in a frame, of so many long texts each, so many times."""
        records, texts, times = shape
        record: dict[str, Any] = {f"{number:04}": "\u00e9" * 1996 for number in range(texts)}
        frame = encode_frame(Log([record] * records).as_map())
        for _ in range(times):
            self.sock.sendall(frame)

    def do_wide_stats(self, count: int) -> None:
        """A result with so many figures of its own, each with a long name."""
        stats: dict[str, Any] = {f"{number:04}" + "\u00e9" * 996: number for number in range(count)}
        self.channel.send(Finishing(self.job.run).as_map())
        self.channel.send(Result(self.job.run, 0, b"\0\0", True, stats).as_map())
        self.channel.receive()
        os._exit(0)

    def do_flood_of_logs(self, _: object) -> None:
        frames = encode_frame(Log([{"a": [0] * 20}] * 150).as_map()) * 4
        frames += encode_frame(Log(()).as_map()) * 2000
        while True:
            self.sock.sendall(frames)

    def do_flood_of_bytes(self, _: object) -> None:
        offset = 0
        while True:
            frames = b"".join(encode_frame(Output("stdout", offset + n, b"x").as_map()) for n in range(1000))
            self.sock.sendall(frames)
            offset += 1000

    def do_large_result(self, size: int) -> None:
        self.finish(bytes(size))

    def do_half_a_frame(self, size: int) -> None:
        self.sock.sendall(struct.pack("<I", size) + bytes(size // 2))
        signal.pause()

    def do_print_controls(self, size: int) -> None:
        """Print what JSON has to spell in six characters each."""
        for offset in range(0, size, 65536):
            for stream in ("stdout", "stderr"):
                self.channel.send(Output(stream, offset, b"\x01" * 65536).as_map())

    def do_connect_loop(self, _: object) -> None:
        """Connect again and again, saying each time how often it has been."""
        told = 0
        resume = encode_frame(Resume(self.job.run).as_map())
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setblocking(False)
            with suppress(OSError):
                sock.connect(os.environ["GENVM_CONTROL"])
                sock.send(resume + encode_frame(Output("stdout", told, b"x").as_map()))
                told += 1
            sock.close()

    def do_say(self, message: dict[str, Any]) -> None:
        """One message as told; texts under `data` and `payload` go as bytes."""
        run: dict[str, Value] = {"run": self.job.run}
        raw: dict[str, Value] = {key: message[key].encode() for key in ("data", "payload") if key in message}
        self.channel.send({**run, **message, **raw})
        signal.pause()

    def do_fail(self, message: str) -> None:
        self.do_fail_as(["internal", message])

    def do_fail_as(self, said: list[str]) -> None:
        """Class and message."""
        self.channel.send(Failed(self.job.run, *said).as_map())
        self.channel.receive()
        os._exit(1)

    def do_reconnect(self, _: object) -> None:
        """Lose the channel and come back, as an executor does whose manager was replaced."""
        self.come_back()
        self.do_print(self.printed.decode())

    def do_slow_delivery(self, seconds: float) -> None:
        """Outcome known, the node slow to take it."""
        self.channel.send(Finishing(self.job.run).as_map())
        time.sleep(seconds)


if __name__ == "__main__":
    if sys.argv[1:] == ["dies"]:
        sys.exit(9)
    Instance().run()

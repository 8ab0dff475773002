"""A module program whose configuration says what it does; for the manager's own tests only.

`python scripted_module.py llm|web`. It speaks docs/module-protocol.md, and answers each request of a session
with the session's run, the number of the request and the configuration's `tag`.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, assert_never

from genvm_wire.calldata import decode, encode
from genvm_wire.frames import FrameClosed, FrameSocket
from genvm_wire.instance_messages import Exit, Log
from genvm_wire.module_messages import (
    CloseSession,
    ConfigurationFailed,
    Configure,
    Configured,
    Drain,
    FromModule,
    ModuleReady,
    ModuleResume,
    OpenSession,
    Ping,
    Pong,
    SessionEnded,
    ToModule,
    to_module,
)

# A `held` request is answered when the test has laid this file beside the control socket.
GO_ON = Path(os.environ["GENVM_CONTROL"]).with_name("go_on")


class Stream(threading.Thread):
    """Serves one stream of transport S (modules 1.4)."""

    def __init__(self, module: Module, told: OpenSession, sock: socket.socket) -> None:
        super().__init__(daemon=True)
        self.module, self.told, self.sock = module, told, sock
        self.run_id = told.run
        self.requests = 0

    def run(self) -> None:
        try:
            self._read()  # hello
            while True:
                request = self._read()
                self.requests += 1
                time.sleep(request.get("sleep", 0))
                while request.get("held") and not GO_ON.exists():
                    time.sleep(0.01)
                answer = {
                    "run": self.run_id,
                    "request": request,
                    "number": self.requests,
                    "tag": self.module.config.get("tag", ""),
                    "pid": os.getpid(),
                    "told": vars(self.told),
                }
                body = encode({"Ok": answer})
                self.sock.sendall(struct.pack(">I", len(body)) + body)
        except (EOFError, OSError):
            self.sock.close()
            self.module.ended(self)

    def end(self) -> None:
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def _read(self) -> Any:
        (length,) = struct.unpack(">I", self._exactly(4))
        return decode(self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.sock.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data


class Module:
    def __init__(self, name: str) -> None:
        self.name = name
        self.config: Mapping[str, Any] = {}
        self.generation: int | None = None
        self.sessions: dict[int, Stream] = {}
        self.unsaid: list[FromModule] = []
        self.lock = threading.RLock()
        self.draining = False
        self.channel: FrameSocket | None = None

    def connect(self) -> None:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(os.environ["GENVM_CONTROL"])
        with self.lock:
            self.channel = FrameSocket(sock)
            greeting: FromModule = ModuleReady(self.name, "scripted")
            if self.generation is not None:
                greeting = ModuleResume(self.name, "scripted", self.generation, sorted(self.sessions))
            for message in (greeting, *self.unsaid):
                self.channel.send(message.as_map())
            self.unsaid.clear()

    def say(self, message: FromModule) -> None:
        with self.lock:
            try:
                if self.channel is None:
                    raise FrameClosed("no channel")
                self.channel.send(message.as_map())
            except FrameClosed:
                if isinstance(message, SessionEnded):
                    self.unsaid.append(message)

    def serve(self) -> None:
        while not Path(os.environ["GENVM_CONTROL"]).exists():  # in a Pod, who listens may be about to start
            time.sleep(0.01)
        self.connect()
        while True:
            try:
                assert self.channel is not None
                message, fds = self.channel.receive()
            except FrameClosed:
                self.reconnect()
                continue
            self.serve_one(to_module(message), fds)

    def serve_one(self, message: ToModule, fds: list[int]) -> None:
        match message:
            case Configure():
                self.configure(message)
            case OpenSession():
                self.open(message, fds)
            case CloseSession():
                self.close(message)
            case Ping():
                self.pong(message)
            case Drain():
                self.drain()
            case Exit():
                os._exit(0)
            case _:
                assert_never(message)

    def reconnect(self) -> None:
        with self.lock:
            if self.channel is not None:
                self.channel.close()
            self.channel = None
        while True:
            time.sleep(0.05)
            try:
                self.connect()
            except OSError:
                continue
            return

    def configure(self, message: Configure) -> None:
        config: Mapping[str, Any] = message.config
        if "exit" in config:
            os._exit(config["exit"])
        if "hang" in config:
            signal.pause()
        if "fail" in config:
            self.say(ConfigurationFailed(config["fail"]))
            return
        if config.get("flood_of_logs"):
            threading.Thread(target=self.flood, daemon=True).start()
        if config.get("log"):
            self.say(Log([{"level": "info", "message": config["log"]}]))
        self.config, self.generation = config, message.generation
        notes = [f"flags {message.user_error} {message.allow_empty_backends}"]
        self.say(Configured(message.generation, notes))

    def flood(self) -> None:
        while True:
            self.say(Log([{"level": "info", "message": "x" * 100}] * 64))

    def open(self, message: OpenSession, fds: list[int]) -> None:
        session = Stream(self, message, socket.socket(fileno=fds[0]))
        with self.lock:
            self.sessions[session.run_id] = session
        session.start()

    def close(self, message: CloseSession) -> None:
        with self.lock:
            session = self.sessions.get(message.run)
        if session is not None:
            session.end()

    def ended(self, session: Stream) -> None:
        scripting = {"requests_count": session.requests, "requests_time": 7}
        stats: dict[str, Any] = {"scripting": scripting}
        if self.name == "llm":
            stats["tokens"] = {"main/model": {"input": 1, "output": 2, "total": 3}}
        with self.lock:
            self.sessions.pop(session.run_id, None)
            self.say(SessionEnded(session.run_id, stats, session.requests))
            if self.draining and not self.sessions:
                os._exit(0)

    def pong(self, message: Ping) -> None:
        if self.config.get("deaf"):
            return
        ill = str(self.config.get("ill", ""))
        counters = self.config.get("counters", {"sessions_total": 1})
        self.say(Pong(message.sequence, len(self.sessions), not ill, ill, counters))

    def drain(self) -> None:
        with self.lock:
            self.draining = True
            if not self.sessions:
                os._exit(0)


if __name__ == "__main__":
    Module(sys.argv[1]).serve()

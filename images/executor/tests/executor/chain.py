"""A chain of one machine: contracts that keep their storage from run to run, each run in its own executor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest

from genvm_wire.address import Address
from genvm_wire.calldata import Encodable, decode, encode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameSocket
from genvm_wire.host_tables import HOST_TABLES
from genvm_wire.instance_messages import Ack, Ready, from_instance

from .executor_process import CONTRACT, RUN, SENDER, Report, follow, job
from .module_peer import ModulePeer
from .node_host import NodeHost

ALICE, BOB, CAROL = SENDER, Address(b"\xb0" * 20), Address(b"\xca" * 20)
PINNED = '# v0.1.0\n# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }\n'
"""What heads most published contracts."""
_MESSAGE_KEYS = {"sender": "message__sender_address", "value": "message__value"}


class Failed(Exception):
    """A run that did not return: its code and its text."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.code, report.value)
        self.code, self.text, self.report = report.code, str(report.value), report
        self.stderr = report.output["stderr"].decode()

    def __str__(self) -> str:
        return f"{self.code!r} {self.text}\n{self.stderr}"


class Zygote:
    """The process that forks an executor for each run; `connection` is the control channel of a new one."""

    def __init__(self, directory: Path, precompiled: Path) -> None:
        self._path = directory / "zygote.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._listener.listen(4)
        self._listener.settimeout(60)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "executor.zygote"],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            env={**os.environ, "GENVM_PRECOMPILED_DIR": str(precompiled)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._listener.close()

    def connection(self) -> FrameSocket:
        """The channel of an executor that has said `ready`."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self._path}\n".encode())
        self._process.stdin.flush()
        sock, _ = self._listener.accept()
        sock.settimeout(60)
        channel = FrameSocket(sock, receive_limit=LIMIT_FROM_INSTANCE)
        assert isinstance(from_instance(channel.receive()[0]), Ready)
        return channel


class Chain:
    """Runs contracts one after the other. `node` of the latest run keeps what it was told."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self.accounts: dict[bytes, defaultdict[bytes, bytearray]] = {}
        self.balances: dict[bytes, int] = {}
        self.leader_results: list[bytes] | None = None
        self.report = Report()

    def deploy(self, code: str | bytes, *args: Encodable, at: Address = CONTRACT, **options: Any) -> Any:
        """Deploy; what the constructor returned. Raises Failed."""
        self._host(at).store_code(code.encode() if isinstance(code, str) else code)
        return self._run(at, {"args": list(args)} if args else {}, message__is_init=True, **options)

    def call(self, method: str, *args: Encodable, at: Address = CONTRACT, **options: Any) -> Any:
        """Call; what the method returned. `kwargs` are the method's, `sender` and `value` the message's."""
        request: dict[str, Encodable] = {"method": method}
        if args:
            request["args"] = list(args)
        if "kwargs" in options:
            request["kwargs"] = options.pop("kwargs")
        return self._run(at, request, **options)

    def view(self, method: str, *args: Encodable, at: Address = CONTRACT, **options: Any) -> Any:
        """Call without the right to write or send."""
        return self.call(method, *args, at=at, permissions="rcn", **options)

    def _host(self, at: Address) -> NodeHost:
        slots = self.accounts.setdefault(at.raw, defaultdict(bytearray))
        host = NodeHost(HOST_TABLES["T15a"], slots=slots, accounts=self.accounts, balances=self.balances)
        host.leader_results = self.leader_results
        self.node = host
        return host

    def _run(self, at: Address, request: Encodable, **options: Any) -> Any:
        node = self._host(at)
        node.calldata = encode(request)
        for name, key in _MESSAGE_KEYS.items():
            if name in options:
                options[key] = options.pop(name)
        modules: Mapping[str, ModulePeer] = options.pop("modules", {})
        sides = [node.executor_side, *(peer.executor_side for peer in modules.values())]
        channel = self._zygote.connection()
        try:
            work = job(message__contract_address=at, sockets=["host", *modules], **options)
            channel.send(work, [side.fileno() for side in sides])
            self.report = follow(channel)
            channel.send(Ack(RUN).as_map())
        finally:
            channel.close()
            node.close()
            for peer in modules.values():
                peer.close()
        if self.report.code != 0:
            raise Failed(self.report)
        return decode(self.report.payload[1:])


def idiom(top: str, body: str, fields: str = "x: u256") -> str:
    """A contract whose method `go(*args)` has this body, after the module's `top`."""
    inside = "\n".join(f"        {line}" for line in body.strip("\n").split("\n"))
    return (
        '# { "Depends": "py-genlayer:test" }\n'
        f"from genlayer import *\n{top}\n\nclass C(gl.Contract):\n    {fields}\n"
        f"    @gl.public.write\n    def go(self, *args):\n{inside}\n"
    )


def user_error(chain: Chain, method: str, *args: Encodable, **options: Any) -> str:
    """The text of the user error that a call ends with."""
    return _failure(chain, 1, method, *args, **options)


def exit_code(chain: Chain, method: str, *args: Encodable, **options: Any) -> str:
    """The text of the VM error that a call ends with."""
    return _failure(chain, 2, method, *args, **options)


def _failure(chain: Chain, code: int, method: str, *args: Encodable, **options: Any) -> str:
    with pytest.raises(Failed) as caught:
        chain.call(method, *args, **options)
    assert caught.value.code == code, str(caught.value)
    return str(caught.value.text)

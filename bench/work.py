"""What a contract's work takes in one executor process, without an engine, a manager or a container.

Wall time from the job to the result, and processor time of the executor's process meanwhile: the latter says
more where others use the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bench.contract import job
from bench.figures import Results, spread
from bench.hand_over import CONTROL, control_socket
from bench.stored_node import StoredNode
from genvm_wire.frames import LIMIT_FROM_INSTANCE, FrameSocket
from genvm_wire.instance_messages import (
    Ack,
    Code,
    Compile,
    Compiled,
    Failed,
    Result,
    Source,
    WantCode,
    from_instance,
)
from orchestrator.embedded import prepared_executor

KEYS, READS = 1000, 10_000
HEAD = """# v0.2.0
# { "Depends": "py-genlayer:1jb45aa8ynh2a9c9xn3b7qqh8sm5q93hwfp7jqmwsfhh8jpz09h6" }
from genlayer import *

class Table(gl.Contract):
    balances: TreeMap[str, u256]

    @gl.public.write
    def insert(self, n: int):
        for i in range(n):
            self.balances[f"account {i * 7919 % n}"] = u256(i)

    @gl.public.write
    def read(self, n: int) -> int:
        there = len(self.balances)
        return sum(self.balances[f"account {i % there}"] for i in range(n))

    @gl.public.view
    def work(self, n: int) -> int:
        class Point:
            def __init__(self, x, y):
                self.x, self.y = x, y
            def moved(self, by):
                return Point(self.x + by, self.y - by)
        seen, text, data = {}, [], bytearray()
        for i in range(n):
            point = Point(i, n).moved(i % 7)
            seen[point.x, i % 13] = point
            text.append(f"{point.y}:{i}")
            data += i.to_bytes(4, "little")
        ordered = sorted(seen, key=lambda at: (at[1], -at[0]))
        return len(ordered) + len(",".join(text).split(":")) + sum(data[::3])

    @gl.public.view
    def nothing(self) -> int:
        return 0

    @gl.public.write
    def put(self) -> int:
        self.balances["account 0"] = u256(self.balances["account 0"] + 1)
        return len(self.balances)

    @gl.public.view
    def take(self, data: bytes) -> int:
        return len(data)

    @gl.public.view
    def give(self, n: int) -> bytes:
        return bytes(n)

    @gl.public.view
    def nest(self, n: int) -> int:
        return gl.get_contract_at(gl.message.contract_address).view().nest(n - 1) + 1 if n else 0
"""
PART = '''
def part_{n}(order, prices, *, least=10):
    """Of several prices the one that an order takes, and what is left of it."""
    best = None
    for place, (name, price) in enumerate(sorted(prices.items())):
        if price < least or name in order.get("refused", ()):
            continue
        if best is None or price * (place + {n}) < best[1]:
            best = (name, price * (place + {n}))
    return best if best is not None else ("nobody", order["amount"] - least)
'''


def source_of(size: int, salt: int | None = None) -> bytes:
    """The contract, `size` bytes long or a little more as real ones are, by functions that nobody calls.

    With another `salt` it is another one.
    """
    text, n = HEAD if salt is None else f"{HEAD}# {salt}\n", 0
    while len(text) < size:
        text, n = text + PART.format(n=n), n + 1
    return text.encode()


@dataclass(frozen=True, slots=True)
class Taken:
    """Milliseconds of one run."""

    wall: float
    processor: float


class Executors:
    """Runs calls of a node's contract, each in a process of its own.

    As a manager does, it has a source compiled after its first run, by a process that gets nothing else.
    """

    def __init__(self, python: str, environment: Mapping[str, str]) -> None:
        self._python = python
        self._environment = {"PATH": os.defpath, **environment}
        self._codes: dict[bytes, Compiled] = {}

    def run(self, node: StoredNode, method: str, *arguments: int | bytes) -> Taken:
        """Blocking. Raises RuntimeError when the contract did not return."""
        with self._started() as (channel, pid):
            taken, offered = self._timed(channel, pid, node, method, *arguments)
            channel.send(Ack(1).as_map())
        if node.result[:1] != b"\0":
            raise RuntimeError(f"{method} ended with {node.result!r}")
        for source in offered:
            self._codes[sha256(source).digest()] = self._compiled(source)
        return taken

    @contextmanager
    def _started(self) -> Iterator[tuple[FrameSocket, int]]:
        with tempfile.TemporaryDirectory(prefix="gb") as folder, control_socket(Path(folder)) as listener:
            child = subprocess.Popen(
                [self._python, "-m", "genvm_executor"],
                env={**self._environment, "GENVM_CONTROL": str(Path(folder) / CONTROL)},
                stderr=subprocess.DEVNULL,
            )
            try:
                channel = FrameSocket(listener.accept()[0], receive_limit=LIMIT_FROM_INSTANCE)
                channel.receive()
                yield channel, child.pid
                channel.close()
                child.wait(30)
            finally:
                child.kill()
                child.wait()

    def _timed(
        self, channel: FrameSocket, pid: int, node: StoredNode, method: str, *arguments: int | bytes
    ) -> tuple[Taken, list[bytes]]:
        """What it took, and the sources that it would have compiled."""
        offered: list[bytes] = []
        theirs, serving = node.begin(method, *arguments)
        processor, begun = _processor_ms(pid), time.monotonic()
        with theirs:
            channel.send(job().but(codes=True).as_map(), [theirs.fileno()])
        while not isinstance(said := from_instance(channel.receive()[0]), Result | Failed):
            if isinstance(said, WantCode):
                channel.send(self._answer(said).as_map())
            elif isinstance(said, Source):
                offered.append(said.source)
        taken = Taken((time.monotonic() - begun) * 1000, _processor_ms(pid) - processor)
        serving.join()
        return taken, offered

    def _answer(self, asked: WantCode) -> Code:
        made = self._codes.get(asked.source)
        code, fuel = (None, 0) if made is None else (made.code, made.fuel)
        return Code(asked.run, asked.source, code, fuel)

    def _compiled(self, source: bytes) -> Compiled:
        with self._started() as (channel, _):
            channel.send(Compile(source).as_map())
            made = from_instance(channel.receive()[0])
        if not isinstance(made, Compiled):
            raise RuntimeError(f"an executor that was to compile said {made.kind!r}")
        return made


def _processor_ms(pid: int) -> float:
    """Of all threads of a process so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text("ascii").split()[0]) for task in tasks) / 1e6


def _version_ms(python: str) -> Taken:
    before, begun = os.times(), time.monotonic()
    subprocess.run([python, "-m", "orchestrator", "--version"], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken((time.monotonic() - begun) * 1000, processor * 1000)


def work_ms(executors: Executors, python: str, times: int) -> Results:
    """Every figure `times` times, one after another in turn."""
    small, large = StoredNode(source_of(1)), StoredNode(source_of(49_000))
    filled = StoredNode(source_of(1))
    executors.run(filled, "insert", KEYS)
    # The first run of a code is no figure of this one.
    executors.run(large, "nothing")
    taken: dict[str, list[Taken]] = {}
    for _ in range(times):
        turns: tuple[tuple[str, Callable[[], Taken]], ...] = (
            ("storage_insert", lambda: executors.run(StoredNode(source_of(1)), "insert", KEYS)),
            ("storage_read", lambda: executors.run(filled, "read", READS)),
            ("python_work", lambda: executors.run(small, "work", 10_000)),
            ("view_1kb", lambda: executors.run(small, "nothing")),
            ("view_49kb", lambda: executors.run(large, "nothing")),
            ("cli_version", lambda: _version_ms(python)),
        )
        for name, one in turns:
            taken.setdefault(name, []).append(one())
    results: Results = {}
    for name, several in taken.items():
        results[f"{name}_ms"] = spread(name, [one.wall for one in several])[f"{name}_p50_ms"]
        results[f"{name}_cpu_ms"] = spread(name, [one.processor for one in several])[f"{name}_p50_ms"]
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.work")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--python", default=sys.executable, help="of another checkout's environment")
    parser.add_argument("--precompiled", help="its code cache; default: made for this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gb") as folder:
        environment = (
            {"GENVM_PRECOMPILED_DIR": args.precompiled}
            if args.precompiled
            else asyncio.run(prepared_executor(Path(folder)))
        )
        for name, figure in work_ms(Executors(args.python, environment), args.python, args.times).items():
            print(f"{name:<30} {figure:10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

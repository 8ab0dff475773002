"""A hostile program under the executor's watchdog: it does all it can to outlive its deadline.

Runs inside a container as what the image's entry point is told to run. It says `ready`, tries
everything on the first process, tells what came of it in a log record, and then loops on all cores in as many
processes as it may have, deaf to every signal.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from genvm_wire.frames import FrameSocket
from genvm_wire.instance_messages import Log, Ready

X86 = platform.machine() == "x86_64"
# name: (number on x86_64, number on aarch64), arguments.
CALLS: dict[str, tuple[tuple[int, int], tuple[int, ...]]] = {
    "trace it": ((101, 117), (16, 1, 0, 0)),
    "read its memory": ((310, 270), (1, 0, 0, 0, 0, 0)),
    "write its memory": ((311, 271), (1, 0, 0, 0, 0, 0)),
    "take its descriptors": ((438, 438), (3, 0, 0)),
    "set its limits": ((302, 261), (1, 7, 0, 0)),
    "set its priority": ((141, 140), (0, 1, 19)),
    "set its scheduler": ((144, 119), (1, 5, 0)),
    "set its processors": ((203, 122), (1, 8, 0)),
    "compare it": ((312, 272), (1, 1, 0, 0, 0)),
    "throw out its pages": ((440, 440), (3, 0, 0, 21, 0)),
    "move its pages": ((256, 238), (1, 0, 0, 0)),
}
libc = ctypes.CDLL(None, use_errno=True)


def name_of(number: int | None) -> str:
    return errno.errorcode.get(number or 0, "?")


def raw(numbers: tuple[int, int], arguments: tuple[int, ...]) -> str:
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(numbers[0 if X86 else 1]), *(ctypes.c_long(one) for one in arguments))
    return "ok" if result >= 0 else name_of(ctypes.get_errno())


def outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return name_of(error.errno)
    return "ok"


def opened(path: str, flags: int) -> str:
    return outcome(lambda: os.close(os.open(path, flags)))


def attempts() -> dict[str, str]:
    files = {
        "open its memory": opened("/proc/1/mem", os.O_RDWR),
        "read its environment": opened("/proc/1/environ", os.O_RDONLY),
        "list its descriptors": outcome(lambda: list(Path("/proc/1/fd").iterdir())),
        "make it the first to be killed": opened("/proc/1/oom_score_adj", os.O_WRONLY),
        "stay when memory runs out": opened("/proc/self/oom_score_adj", os.O_WRONLY),
        "write its own memory by path": opened("/proc/self/mem", os.O_RDWR),
    }
    return files | {name: raw(*call) for name, call in CALLS.items()}


def signals() -> None:
    """None of them ends or stops the first process; those that it passes on come back here."""
    for number in signal.valid_signals():
        with suppress(OSError):
            os.kill(1, number)
    # A group of its own is the only one that this reaches; everybody else is to be left for the loops.
    with suppress(OSError):
        os.kill(1, signal.SIGSTOP)


def deaf() -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)


def fill() -> None:
    """As many processes as there may be, all of them busy."""
    with suppress(OSError):
        while os.fork() != 0:
            pass
    while True:
        with suppress(OSError):
            os.kill(1, signal.SIGTERM)


def main() -> None:
    deaf()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect("control.sock")
    channel = FrameSocket(sock)
    channel.send(Ready("hostile").as_map())
    signals()
    report = {"attempts": attempts(), "first": Path("/proc/1/comm").read_text().strip(), "pid": os.getpid()}
    channel.send(Log([{"said": json.dumps(report)}]).as_map())
    if "leave" in sys.argv:
        os._exit(7)
    fill()


if __name__ == "__main__":
    main()

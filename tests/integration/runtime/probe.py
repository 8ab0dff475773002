"""The test instance: speaks the instance protocol and does what its job tells it, good or bad.

`python probe.py talk|silent|dies`; runs inside the test image and as a child process.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

from genvm_wire.frames import FrameSocket, encode_frame
from genvm_wire.instance_messages import Finishing, JobMessage, Log, Ready, Result, Resume, to_instance

CONTROL = os.environ["GENVM_CONTROL"]


def connect() -> tuple[socket.socket, FrameSocket]:
    while not Path(CONTROL).exists():  # in a Pod, who listens may be about to start
        time.sleep(0.01)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(CONTROL)
    return sock, FrameSocket(sock)


def ready(channel: FrameSocket) -> None:
    # Said as it is: images have the wire package as it was when they were built.
    channel.send({**Ready("probe").as_map(), "inlet": ["T15b"]})


def oom() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(1)) * (8 * 1024 * 1024))


def orphan(channel: FrameSocket) -> None:
    """A grandchild that outlives its parent, if it can; it holds the host connection open."""
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()
    os._exit(0)


def failure_of(work: str) -> str:
    """What Python says when `work` is tried; empty when it succeeds."""
    try:
        exec(work, {"os": os, "socket": socket, "Path": Path})
    except OSError as error:
        return type(error).__name__
    return ""


def report() -> dict[str, object]:
    status = dict(
        line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line
    )
    limits = Path("/proc/self/limits").read_text()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": os.getgroups(),
        "status": {key: value.strip() for key, value in status.items()},
        "limits": limits,
        "mounts": {mount[1]: mount[3].split(",") for mount in mounts},
        "interfaces": [
            line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]
        ],
        "devices": sorted(entry.name for entry in Path("/dev").iterdir()),
        "environment": sorted(os.environ),
        "host_name": os.uname().nodename,
        "pid1": Path("/proc/1/comm").read_text().strip(),
        "sockets": [str(path) for path in Path("/run").rglob("*.sock")]
        + [str(path) for path in Path("/var/run").rglob("*.sock")],
        "oom_score_adj": int(Path("/proc/self/oom_score_adj").read_text()),
        "failures": {
            name: failure_of(work)
            for name, work in {
                "write_root": "Path('/x').write_text('')",
                "write_usr": "Path('/usr/x').write_text('')",
                "write_control_dir": "Path('/run/genvm/x').write_text('')",
                "list_control_dir": "os.listdir('/run/genvm')",
                "remove_socket": "os.unlink('/run/genvm/control.sock')",
                "inet": "socket.create_connection(('169.254.169.254', 80), 1)",
                "packet": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
                "alg": "socket.socket(38, socket.SOCK_SEQPACKET)",
                "setuid": "os.setuid(0)",
                "proc_sys": "Path('/proc/sys/kernel/hostname').write_text('x')",
                "fill_tmp": "Path('/tmp/x').write_bytes(bytes(64 * 1024 * 1024))",
                "fill_shm": "Path('/dev/shm/x').write_bytes(bytes(8 * 1024 * 1024))",
                "many_files": "[Path(f'/tmp/f{n}').touch() for n in range(10000)]",
                "kcore": "assert not Path('/proc/kcore').read_bytes()[:1] or 1/0; raise OSError",
            }.items()
        },
    }


def act(do: str, sock: socket.socket, channel: FrameSocket, fds: list[int]) -> None:
    match do.partition(":"):
        case ("echo", _, _):
            with socket.socket(fileno=fds[0]) as host:
                host.sendall(host.recv(100).upper())
        case ("dial", _, _):
            os.chdir(Path(CONTROL).parent)
            program = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            program.connect("n")
            _, handed, _, _ = socket.recv_fds(socket.socket(fileno=fds[1]), 1, 1)
            node, taken = socket.socket(fileno=fds[0]), socket.socket(fileno=handed[0])
            program.sendall(node.recv(100).upper())
            node.sendall(taken.recv(100) + failure_of("socket.socket(socket.AF_UNIX).connect('n')").encode())
        case ("exit", _, code):
            print("last words", flush=True)
            os._exit(int(code))
        case ("signal", _, number):
            os.kill(os.getpid(), int(number))
        case ("oom", _, _):
            oom()
        case ("orphan", _, _):
            orphan(channel)
        case ("sleep", _, _):
            time.sleep(600)
        case ("garbage", _, _):
            sock.sendall(struct.pack("<I", 4) + b"\xff\xff\xff\xff")
        case ("unknown", _, _):
            sock.sendall(encode_frame({"kind": "surprise"}))
        case ("oversize", _, _):
            sock.sendall(struct.pack("<I", 0xFFFFFFFF))
        case ("half", _, _):
            sock.sendall(b"\x10\x00\x00\x00half")
            time.sleep(600)
        case ("descriptors", _, _):
            socket.send_fds(sock, [encode_frame(Finishing(1).as_map())], [0, 1])
            time.sleep(600)
        case ("again", _, _):
            sock, channel = connect()
            channel.send(Resume(1, True).as_map())
            channel.receive()
            os._exit(0)
        case ("try", _, code):
            outcome: list[object] = []
            exec(code, {"os": os, "socket": socket, "Path": Path, "time": time, "say": outcome.append})
            channel.send(Log([{"said": json.dumps(outcome)}]).as_map())
        case ("report", _, _):
            channel.send(Log([{"report": json.dumps(report())}]).as_map())


def as_child_of_the_first_process() -> None:
    """Signals from inside pass a first process by; where there is no init, this is one."""
    if os.getpid() == 1 and (child := os.fork()):
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)


def main() -> None:
    mode = sys.argv[1]
    as_child_of_the_first_process()
    if mode == "dies":
        print("no such luck", flush=True)
        sys.exit(3)
    if mode == "silent":
        time.sleep(600)
    sock, channel = connect()
    ready(channel)
    said, fds = channel.receive()
    job = to_instance(said)
    assert isinstance(job, JobMessage)
    act(job.host_data, sock, channel, fds)
    channel.send(Result(1, 0, b"done", True, {}).as_map())
    channel.receive()


if __name__ == "__main__":
    main()

"""Runs inside a container under the project's seccomp profile; prints what was refused as one JSON object.

Only the standard library and, for the compiler, wasmtime. Raw system calls, because the C library would
sometimes not ask the kernel at all.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

# name: (number on x86_64, number on aarch64); -1 where it does not exist.
CALLS = {
    "accept": (43, 202),
    "accept4": (288, 242),
    "acct": (163, 89),
    "add_key": (248, 217),
    "bind": (49, 200),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsopen": (430, 430),
    "getpeername": (52, 205),
    "init_module": (175, 105),
    "io_setup": (206, 0),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "listen": (50, 201),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "recvmmsg": (299, 243),
    "request_key": (249, 218),
    "sendmmsg": (307, 269),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setsockopt": (54, 208),
    "setuid": (105, 146),
    "setxattr": (188, 5),
    "shmget": (29, 194),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vmsplice": (278, 75),
}
# The same, and arguments that are refused. Beside each, ones that get as far as the kernel's own answer.
ARGUMENTS = {
    "connect: an address as long as an internet one": ((42, 203), (-1, 0, 16)),
    "connect: an endless address": ((42, 203), (-1, 0, -1)),
    "sendto: with an address": ((44, 206), (-1, 0, 0, 0, 4096, 16)),
    "sendto: with fast open": ((44, 206), (-1, 0, 0, 0x20000000, 0, 0)),
    "sendto: out of band": ((44, 206), (-1, 0, 0, 1, 0, 0)),
    "sendmsg: with fast open": ((46, 211), (-1, 0, 0x20000000)),
    "sendmsg: out of band": ((46, 211), (-1, 0, 1)),
    "getsockopt: of TCP": ((55, 209), (-1, 6, 11, 0, 0)),
    "getsockopt: who the peer is": ((55, 209), (-1, 1, 17, 0, 0)),
    "ioctl: interfaces": ((16, 29), (-1, 0x8912, 0)),
    "ioctl: routes": ((16, 29), (-1, 0x890B, 0)),
    "ioctl: a terminal's input": ((16, 29), (-1, 0x5412, 0)),
    "prlimit64: of another": ((302, 261), (1, 7, 0, 0)),
}
BORDERS = {
    "connect": ((42, 203), (-1, 0, 15), "EBADF"),
    "sendto": ((44, 206), (-1, 0, 0, 0x4040, 0, 0), "EBADF"),
    "sendmsg": ((46, 211), (-1, 0, 0x4040), "EBADF"),
    "getsockopt": ((55, 209), (-1, 1, 3, 0, 0), "EBADF"),
    "ioctl": ((16, 29), (-1, 0x5421, 0), "EBADF"),
    "prlimit64": ((302, 261), (0, 7, 0, 0), "ok"),
}
CLONE = (56, 220)
CLONE3 = (435, 435)
NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
SIGCHLD = 17
FAMILIES = {
    "inet": (2, 1),
    "inet datagram": (2, 2),
    "inet6": (10, 1),
    "netlink": (16, 3),
    "packet": (17, 3),
    "alg": (38, 5),
    "vsock": (40, 1),
    "unix datagram": (1, 2),
    "unix seqpacket": (1, 5),
}

libc = ctypes.CDLL(None, use_errno=True)
column = 0 if platform.machine() == "x86_64" else 1


def raw(number: int, *arguments: int) -> str:
    """The error's name, or `ok`."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(argument) for argument in arguments))
    return "ok" if result >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def in_child(act: Callable[[], bool]) -> bool:
    """Whether `act` was true in a forked child; a child that the kernel killed counts as false."""
    child = os.fork()
    if child == 0:
        os._exit(0 if act() else 1)
    return os.waitpid(child, 0)[1] == 0


def clone_into(flag: int) -> str:
    ctypes.set_errno(0)
    child = libc.syscall(
        ctypes.c_long(CLONE[column]), *(ctypes.c_long(n) for n in (flag | SIGCHLD, 0, 0, 0, 0))
    )
    if child == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
        return "ok"
    return errno.errorcode.get(ctypes.get_errno(), "?")


def open_family(family: int, kind: int) -> str:
    try:
        socket.socket(family, kind).close()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "ok"


def foreign_call_works() -> bool:
    """getpid through the 32-bit gate, whose numbers mean other calls than those the profile lists."""
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return bool(ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid())


def descriptor_passes() -> bool:
    left, right = socket.socketpair()
    with left, right:
        socket.send_fds(left, [b"x"], [0])
        data, passed, _, _ = socket.recv_fds(right, 1, 1)
        for descriptor in passed:
            os.close(descriptor)
        return data == b"x" and len(passed) == 1


def thread_runs() -> bool:
    seen: list[int] = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    return seen == [1]


def compiler_runs() -> bool:
    import wasmtime

    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    functions = "".join(f'(func (export "f{n}") (result i32) i32.const {n})' for n in range(64))
    instance = wasmtime.Instance(store, wasmtime.Module(engine, f"(module (memory 1) {functions})"), [])
    exported = instance.exports(store)["f42"]
    return bool(exported(store) == 42)  # type: ignore[operator]


def connect_is_allowed() -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex("nowhere.sock") == errno.ENOENT


def main() -> None:
    status = Path("/proc/self/status").read_text()
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    report = {
        "status": {key: lines[key].strip() for key in ("Seccomp", "NoNewPrivs", "CapEff")},
        "calls": {name: raw(numbers[column], *[-1] * 6) for name, numbers in CALLS.items()},
        "arguments": {name: raw(numbers[column], *rest) for name, (numbers, rest) in ARGUMENTS.items()},
        "borders": {name: raw(numbers[column], *rest) for name, (numbers, rest, _) in BORDERS.items()},
        "clone3": raw(CLONE3[column], 0, 0),
        "namespaces": {name: clone_into(flag) for name, flag in NAMESPACES.items()},
        "sockets": {name: open_family(*pair) for name, pair in FAMILIES.items()},
        "foreign": column == 0 and in_child(foreign_call_works),
        "works": {
            "fork": in_child(lambda: True),
            "thread": thread_runs(),
            "subprocess": subprocess.run([sys.executable, "-ISc", ""], check=False).returncode == 0,
            "passed descriptor": descriptor_passes(),
            "connect": connect_is_allowed(),
            "compiler": compiler_runs(),
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()

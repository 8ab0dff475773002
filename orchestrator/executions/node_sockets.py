"""Which unix sockets may be a node's.

The manager may open sockets that its clients may not, the container engine's first of all, and hands what it
has opened to a contract's instance. So a socket is judged by what it is and where it really lies, on a
descriptor that holds it, and is connected to through that descriptor: whatever the path leads to meanwhile,
nothing is dialled that was not judged. Calls here may wait for a file system: none belongs on the loop, but
for `hold` with files that never wait.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import translate
from types import TracebackType
from typing import Self

from orchestrator.executions.hosts import HostRefused, shown
from orchestrator.executions.node_files import WAITING, Identity, NodeFiles

DESCRIPTORS = "/proc/self/fd"
# Made by the kernel: paths in there lead out of every directory, into other processes and into hardware.
KERNEL_DIRECTORIES = ("/proc", "/sys", "/dev")
# Other programs' sockets in directories that everybody uses: desktops, agents, terminals, editors, debuggers
# of runtimes, databases, supervisors, engines. Most of them do whatever they are told there.
FOREIGN = (
    ".*-unix", "ssh-*", "vscode-*", "gpg-*", "keyring-*", "tmux-*", "screens", "uscreens", "zellij-*",
    "dbus-*", "pulse-*", ".esd-*", "systemd-private-*", "snap-private-tmp*",
    "emacs[0-9]*", "nvim*", ".watchman*", ".java_pid*", "dotnet-diagnostic-*", "clr-debug-pipe-*",
    ".s.PGSQL.*", "mysql*.sock", "mysqlx.sock", "mongodb-*.sock", "redis*.sock", "memcached*.sock",
    "php*.sock", "uwsgi*.sock", "supervisor*.sock", "docker*.sock", "podman*.sock", "containerd*.sock",
    "buildkit*.sock",
)  # fmt: skip
_FOREIGN = re.compile("|".join(map(translate, FOREIGN)))


class HeldSocket:
    """A node's socket that has been judged, on a descriptor of its own; `place` is its path without links."""

    __slots__ = ("_fd", "device", "inode", "place")

    def __init__(self, fd: int, found: os.stat_result, place: str) -> None:
        self._fd: int | None = fd
        self.device = found.st_dev
        self.inode = found.st_ino
        self.place = place

    @property
    def address(self) -> str:
        """What leads to this very socket. Raises FileNotFoundError when it was let go."""
        if self._fd is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return f"{DESCRIPTORS}/{self._fd}"

    def close(self) -> None:
        """Let it go; idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class SocketRules:
    """Nodes' sockets lie below `directories` and in none of the manager's `own`; links are resolved first.

    The sockets at the paths `protected` are refused by device and inode, by whatever name they are reached;
    those of `others`, which come and go, by where they lie.
    All paths are absolute.
    """

    directories: tuple[str, ...]
    own: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()

    def judge_missing(self, path: str) -> None:
        """What cannot be opened is judged by where it would be. Raises HostRefused.

        A path in a directory that this machine does not have is no socket of anybody: its node has gone (W2).
        """
        self._judge_name(path)
        try:
            place = _with_one_slash(os.path.realpath(path))
        except OSError as error:
            raise _refusal(path, f"it cannot be followed ({error.strerror})") from None
        if os.path.lexists("/" + place.split("/", 2)[1]):
            self._judge_place(place, path)

    def hold(self, path: str, files: NodeFiles = WAITING) -> HeldSocket:
        """The socket at `path` itself, whatever the path leads to later; the caller lets it go.

        Raises HostRefused, OSError when there is no socket, and what `files` raises.
        """
        self._judge_name(path)
        holding = files.open(path)
        try:
            found = os.fstat(holding)
            place = os.readlink(f"{DESCRIPTORS}/{holding}")  # noqa: PTH115
            self._judge_held(found, place, path, files)
            return HeldSocket(holding, found, place)
        except BaseException:
            os.close(holding)
            raise

    def _judge_held(self, held: os.stat_result, place: str, path: str, files: NodeFiles) -> None:
        if held.st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        identity = (held.st_dev, held.st_ino)
        self._judge_place(place, path, files, identity)
        # A name may be of another mount namespace, and then it says nothing about ours.
        if files.identity(place) != identity:
            raise _refusal(path, "it lies outside the manager's file system")
        if not stat.S_ISSOCK(held.st_mode):
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if any(files.identity(one) == identity for one in self.protected):
            raise _refusal(path, "the socket is another service's, not a node's")

    def _judge_place(
        self, place: str, path: str, files: NodeFiles = WAITING, held: Identity | None = None
    ) -> None:
        """`place` is where the socket is when all links are resolved; `held`: what it is, if it is there."""
        below = self._below_allowed(place, files)
        if below is None:
            allowed = ", ".join(self.directories) or "none"
            raise _refusal(path, f"nodes' sockets are expected below GENVM_NODE_SOCKETS ({allowed})")
        # At any depth: temporary directories are often split up by user.
        for part in below.split("/"):
            if _FOREIGN.match(part):
                raise _refusal(path, f"{shown(part)} is another program's")
        self._judge_name(place)
        if self._is_own(place, files, held):
            raise _refusal(path, "it is the manager's own")
        if place in self.others:
            raise _refusal(path, "it is another manager's")

    @staticmethod
    def _judge_name(path: str) -> None:
        name = _with_one_slash(os.path.normpath(path))
        if any(_below(name, one) is not None for one in KERNEL_DIRECTORIES):
            raise _refusal(path, f"no node's socket is below {', '.join(KERNEL_DIRECTORIES)}")

    def _below_allowed(self, place: str, files: NodeFiles) -> str | None:
        """The path from the allowed directory on; an allowed directory may be a link itself."""
        for real in (str, files.real):
            for directory in self.directories:
                if (below := _below(place, real(directory))) is not None:
                    return below
        return None

    def _is_own(self, place: str, files: NodeFiles, held: Identity | None) -> bool:
        """By inode as well: a directory of the manager may be mounted at a second place."""
        if any(_below(place, one) is not None for one in self.own):
            return True
        mine = {files.identity(one) for one in self.own} - {None}
        if not mine:
            return False
        what = files.identity(place) if held is None else held
        return what in mine or any(files.identity(above) in mine for above in _above(place))


def _refusal(path: str, why: str) -> HostRefused:
    return HostRefused(f"host {shown(f'unix://{path}')} is refused: {why}")


def _with_one_slash(path: str) -> str:
    """Two slashes at the start are kept by whoever normalises, and mean no more than one."""
    return path[1:] if path.startswith("//") else path


def _above(place: str) -> Iterator[str]:
    """The directories that it is in, but for the root."""
    while place := place.rpartition("/")[0]:
        yield place


def _below(place: str, directory: str) -> str | None:
    """What follows `directory` in `place`; the empty text for the directory itself."""
    if place == directory:
        return ""
    start = directory.rstrip("/") + "/"
    return place.removeprefix(start) if place.startswith(start) else None

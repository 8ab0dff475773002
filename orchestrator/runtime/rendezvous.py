"""Where an instance meets the manager: one directory per instance with a listening `control.sock` in it.

Directories are reached through descriptors only, never through a path that somebody could have replaced by a
symbolic link; that also lifts the 107-byte limit of unix socket paths on the manager's side.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import socket
from contextlib import suppress
from pathlib import Path

from genvm_wire.instance_messages import INLET_SOCKET
from orchestrator.directories import make_directory
from orchestrator.runtime.control import FRAME_TIMEOUT, SocketControl
from orchestrator.runtime.port import ChannelClosed, EngineRefused

SOCKET_NAME = "control.sock"
WATCH_NAME = "watch.sock"
"""Where an instance's watchdog listens to the manager, beside the control socket."""
SUN_PATH_LIMIT = 107
"""Bytes of a unix socket path that the kernel takes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BACKLOG = 8
_RETRY_ACCEPT_S = 1.0
PAUSE_S = 0.25
"""Seconds after a connection in which no other is accepted: an honest program has no use for a second one."""


def check_name(name: str) -> str:
    """`name`, when it can be a directory's and a container's. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"instance name {name[:120]!r} must be letters, digits and _.- (at most 100)")
    return name


class InstanceDirectories:
    """`<state_dir>/instances`, readable by the manager alone. Blocking: call it in a thread."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / "instances"

    def _open_root(self) -> int:
        make_directory(self.path, 0o700)
        return os.open(self.path, _DIRECTORY)

    def listen(self, name: str) -> socket.socket:
        """Make the instance's directory and listen in it.

        Raises EngineRefused when the directory exists or cannot be made.
        """
        try:
            root = self._open_root()
        except OSError as error:
            raise EngineRefused(f"state directory {self.path}: {error.strerror}") from error
        try:
            os.mkdir(check_name(name), 0o711, dir_fd=root)
        except OSError as error:
            os.close(root)
            raise EngineRefused(f"directory of instance {name}: {error.strerror}") from error
        try:
            return self._listen_in(root, name)
        except OSError as error:
            with suppress(OSError):  # what is left goes with the next sweep
                shutil.rmtree(name, dir_fd=root)
            raise EngineRefused(f"control socket of instance {name}: {error.strerror}") from error
        finally:
            os.close(root)

    def relisten(self, name: str, socket_name: str = SOCKET_NAME) -> socket.socket:
        """Listen in a directory that is there already: an earlier manager's, or with one more socket.

        Raises EngineRefused when it is gone.
        """
        try:
            root = self._open_root()
        except OSError as error:
            raise EngineRefused(f"state directory {self.path}: {error.strerror}") from error
        try:
            with suppress(FileNotFoundError):
                os.unlink(f"{check_name(name)}/{socket_name}", dir_fd=root)
            return self._listen_in(root, name, socket_name)
        except OSError as error:
            raise EngineRefused(f"directory of instance {name}: {error.strerror}") from error
        finally:
            os.close(root)

    @staticmethod
    def _listen_in(root: int, name: str, socket_name: str = SOCKET_NAME) -> socket.socket:
        directory = os.open(name, _DIRECTORY, dir_fd=root)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            # The instance's user is none of this host's, hence the open modes; strangers stop at the root.
            os.fchmod(directory, 0o711)
            address = f"/proc/self/fd/{directory}/{socket_name}"
            listener.bind(address)
            Path(address).chmod(0o666)
            listener.listen(_BACKLOG)
        except BaseException:
            listener.close()
            raise
        finally:
            os.close(directory)
        return listener

    def listen_for_program(self, name: str) -> socket.socket:
        """Where its program is let in that dials its node itself. Raises EngineRefused."""
        return self.relisten(name, INLET_SOCKET)

    def remove(self, name: str) -> None:
        """Remove the instance's directory with all in it, following nothing. Idempotent."""
        with suppress(FileNotFoundError):
            root = os.open(self.path, _DIRECTORY)
            try:
                shutil.rmtree(check_name(name), dir_fd=root)
            finally:
                os.close(root)

    def names(self) -> list[str]:
        """Names of all directories there are. Raises EngineRefused where that cannot be found out."""
        try:
            with os.scandir(self.path) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) and _NAME.fullmatch(entry.name)
                )
        except FileNotFoundError:
            return []
        except OSError as error:
            raise EngineRefused(
                f"the directory {self.path} cannot be read: {error.strerror}; "
                "see that it is this user's, or set GENVM_STATE_DIR"
            ) from error


class Rendezvous:
    """Accepts an instance's connections on a listening socket, which it owns; the newest counts.

    A program that does nothing but connect gets a few a second; the others end without having been looked at.
    """

    def __init__(self, listener: socket.socket, frame_timeout: float = FRAME_TIMEOUT) -> None:
        self._frame_timeout = frame_timeout
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._fd = listener.fileno()
        self._fresh: SocketControl | None = None
        self._current: SocketControl | None = None
        self._arrived = asyncio.Event()
        self._closed = False
        self._resume: asyncio.TimerHandle | None = None
        self.accepted = 0
        self._loop.add_reader(self._fd, self.accept_pending)

    def accept_pending(self) -> None:
        """Take what waits in the backlog; called by the event loop, and before an exit is believed."""
        newest: socket.socket | None = None
        pause = PAUSE_S
        for _ in range(_BACKLOG + 1):
            if self._closed:
                break
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    pause = _RETRY_ACCEPT_S
                    break
                return
            if newest is not None:
                newest.close()
            newest = sock
        if newest is not None:
            self._take(SocketControl(newest, frame_timeout=self._frame_timeout))
        self._pause_accepting(pause)

    def _pause_accepting(self, seconds: float) -> None:
        """While the listener is readable the loop would do nothing else."""
        if self._resume is None and not self._closed:
            self._loop.remove_reader(self._fd)
            self._resume = self._loop.call_later(seconds, self._resume_accepting)

    def _take(self, control: SocketControl) -> None:
        for older in (self._fresh, self._current):
            if older is not None:
                older.close()
        self.accepted += 1
        self._fresh, self._current = control, None
        self._arrived.set()

    def _resume_accepting(self) -> None:
        self._resume = None
        if not self._closed:
            self._loop.add_reader(self._fd, self.accept_pending)

    def take(self) -> SocketControl | None:
        """The newest connection when nobody has had it yet. Raises ChannelClosed after `close`."""
        if self._closed:
            raise ChannelClosed("the instance was destroyed")
        control, self._fresh = self._fresh, None
        if control is not None:
            self._current = control
            self._arrived.clear()
        return control

    async def arrival(self) -> None:
        """Return when there is something to `take`, or when this is closed."""
        await self._arrived.wait()

    def close(self) -> None:
        """Stop listening and close all connections; idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._fd)
        if self._resume is not None:
            self._resume.cancel()
        self._listener.close()
        for control in (self._fresh, self._current):
            if control is not None:
                control.close()
        self._arrived.set()

"""A listening unix socket whose mode and group are what the settings say, whatever the umask."""

from __future__ import annotations

import grp
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestrator.directories import make_directory
from orchestrator.exposure import CannotListen

DIRECTORY_MODE = 0o755
"""Of directories that are made for a socket: what keeps others away is the socket's own mode."""
NO_ID, LONGEST_ID = 2**32 - 1, 10
"""What no group is called, and the most digits of one that is."""
NAMED = "GENVM_SOCKET, GENVM_OPERATOR_SOCKET"
PATH_LIMIT = 107
"""Bytes; the kernel has no room for more."""


@dataclass(frozen=True, slots=True)
class SocketAccess:
    """Who may connect. `group` is a name or a number; None: the process's own."""

    mode: int = 0o660
    group: str | None = None


@contextmanager
def bound_socket(path: Path, access: SocketAccess) -> Iterator[socket.socket]:
    """A socket at `path` that does not listen yet; on leaving it is closed, and gone if it is still ours.

    A socket that nobody listens on any more is replaced. Blocking. Raises CannotListen.
    """
    gid = None if access.group is None else _gid(access.group)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with bound:
        try:
            make_directory(path.parent, DIRECTORY_MODE)
            check_path(path)
            path.unlink(missing_ok=True)
            identity = _bind(bound, path, access.mode, gid)
        except OSError as error:
            raise CannotListen(f"cannot listen on {path}: {error.strerror or error}") from error
        try:
            yield bound
        finally:
            _remove(path, identity)


def _gid(group: str) -> int:
    if group.isascii() and group.isdigit() and len(group) <= LONGEST_ID and int(group) < NO_ID:
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise CannotListen(f"there is no group {group!r}; set GENVM_SOCKET_GROUP") from None


def check_path(path: Path) -> None:
    """Whether a socket can be at `path`: nothing is there, or one that nobody serves.

    Blocking. Raises CannotListen.
    """
    if len(os.fsencode(path)) > PATH_LIMIT:
        raise CannotListen(
            f"cannot listen on {path}: a socket's path has at most {PATH_LIMIT} bytes; name another ({NAMED})"
        )
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotListen(
            f"cannot listen on {path}: {error.strerror}; name another path ({NAMED})"
        ) from error
    if not stat.S_ISSOCK(mode):
        raise CannotListen(
            f"cannot listen on {path}: something else is there and was left alone; move it away"
        )
    if _is_served(path):
        raise CannotListen(
            f"cannot listen on {path}: another program listens there; stop it, or name another path ({NAMED})"
        )


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as asking:
        try:
            asking.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            # Its backlog is full.
            return True
        except OSError as error:
            raise CannotListen(
                f"cannot listen on {path}: {error.strerror}; name another path ({NAMED})"
            ) from error
        return True


def _bind(bound: socket.socket, path: Path, mode: int, gid: int | None) -> tuple[int, int]:
    """Bind for the owner alone, then open it; nobody can connect before `listen` anyway."""
    # Linux takes a socket file's mode from the socket, less the umask.
    os.fchmod(bound.fileno(), 0o600)
    bound.bind(str(path))
    # By the file itself: its directory may be others' to write in, and lead elsewhere a moment later.
    file = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISSOCK(found.st_mode):
            raise CannotListen(f"cannot listen on {path}: other users can write in its directory")
        reference = f"/proc/self/fd/{file}"
        if gid is not None:
            os.chown(reference, -1, gid)
        Path(reference).chmod(mode)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    return found.st_dev, found.st_ino


def _remove(path: Path, identity: tuple[int, int]) -> None:
    with suppress(FileNotFoundError):
        found = path.lstat()
        if (found.st_dev, found.st_ino) == identity:
            path.unlink()

"""A child process whose program does not run before its manager lets it go.

A manager may be killed at any moment. Had it started a program and not yet noted which process that is, the
program would be nobody's: memory beside all permits, and no later manager can tell whose it is, as what has
made itself undumpable shows neither environment nor files. So the process is there first, is limited and
noted, and runs its program only then. If its manager ends before, so does the pipe between them, and with it
the process.

A shell waits, as a fork of the manager's own would be unsafe beside its threads; it becomes the program,
under the same number. Blocking.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

DIRECTORY = "/"
# `read` fails at the end of the pipe. PWD is the shell's own addition to the environment.
_WAIT = 'read -r word && unset PWD && exec "$@" </dev/null'


def start_held(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Leads a session of its own; both outputs are one pipe. Raises OSError, ValueError."""
    # Of its absence the shell would tell by exit code 127 only, as programs may themselves.
    # It looks from where the program will run.
    program = str(Path(DIRECTORY, command[0])) if os.sep in command[0] else command[0]
    if shutil.which(program, path=environment["PATH"]) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    return subprocess.Popen(
        ("/bin/sh", "-c", _WAIT, "sh", *command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=DIRECTORY,
        start_new_session=True,
    )


def let_go(child: subprocess.Popen[bytes]) -> None:
    """Run its program; once. One that has been killed meanwhile is its watcher's to find."""
    assert child.stdin is not None
    with suppress(BrokenPipeError):
        os.write(child.stdin.fileno(), b"\n")
    child.stdin.close()
    child.stdin = None  # `communicate` takes no closed one

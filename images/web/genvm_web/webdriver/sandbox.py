"""Whether the browser's own sandbox can work here: the wall around a page that stands inside the container's.

It needs user, process and network namespaces, and a change of root inside them. `seccomp-web.json` lets them
through; a kernel may still refuse them to users that are not root, and the browser refuses its sandbox to
root.
"""

from __future__ import annotations

import asyncio
import os
import sys

CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
QUESTION = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare({CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET}):
    sys.exit("no user namespace: " + os.strerror(ctypes.get_errno()))
try:
    os.chroot("/proc/self/fdinfo")
except OSError as error:
    sys.exit("no change of root in a user namespace: " + os.strerror(error.errno))
"""
HOW_TO = (
    "allow user namespaces for users other than root (docs/web.md), or set browser_sandbox to false in the "
    "web module's configuration, which leaves the container as the only wall around a page"
)


class SandboxUnusable(Exception):
    """The browser cannot put its sandbox up; the text says why and what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the browser cannot start with its sandbox: {reason}; {HOW_TO}")


async def require_sandbox() -> None:
    """Ask the kernel. Raises SandboxUnusable."""
    if os.geteuid() == 0:
        raise SandboxUnusable("it refuses its sandbox to root")
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-c", QUESTION, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
    )
    _, said = await probe.communicate()
    if probe.returncode != 0:
        raise SandboxUnusable(said.decode(errors="replace").strip()[-200:] or "the kernel refuses it")

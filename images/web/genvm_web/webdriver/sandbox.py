"""Whether the browser's own sandbox can work here.

It needs user namespaces. Containers usually forbid them, and are then the only wall around a page; where
they are allowed the browser puts a second one inside.
"""

from __future__ import annotations

import asyncio
import os
import sys

from genvm_web.webdriver.settings import Sandbox

CLONE_NEWUSER_AND_PID = 0x10000000 | 0x20000000
QUESTION = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({CLONE_NEWUSER_AND_PID}) != 0)"


async def sandbox_works(wanted: Sandbox) -> bool:
    """`auto` asks the kernel; the browser refuses its sandbox to root."""
    if wanted != "auto":
        return wanted == "on"
    if os.geteuid() == 0:
        return False
    probe = await asyncio.create_subprocess_exec(sys.executable, "-c", QUESTION)
    return await probe.wait() == 0

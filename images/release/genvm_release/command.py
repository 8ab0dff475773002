"""The command: serves one job with the program that the image holds.

The program is native code that runs a stranger's contract: it is begun under the executors' filter of system
calls, whatever the engine filters, because with the node's connection it could otherwise reach whatever that
connection's network reaches.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from genvm_executor.channel.control import ChannelUnavailable, ControlChannel
from genvm_executor.filters import Filters
from genvm_release.session import serve_one
from genvm_wire.confinement import FilterRefused
from genvm_wire.seccomp import ProfileUnsound

PROGRAM_VARIABLE, DEFAULT_PROGRAM = "GENVM_RELEASE_PROGRAM", "/opt/genvm/release/bin/genvm"
NAME_VARIABLE = "GENVM_RELEASE_VERSION"
IDLE_VARIABLE, IDLE_SECONDS = "GENVM_IDLE_SECONDS", 30
FILTERS = Path("/opt/genvm/filters")
"""Where the image has them compiled; elsewhere that is done at the start."""
STORE = "store-filters"
FAILED, USAGE = 1, 2


def main(words: list[str]) -> int:
    """The process's exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if words == [STORE]:
        FILTERS.mkdir()
        Filters.compiled().store(FILTERS)
        return 0
    if words:
        sys.stderr.write(f"usage: genvm_release [{STORE}]\n")
        return USAGE
    program = Path(os.environ.get(PROGRAM_VARIABLE, DEFAULT_PROGRAM))
    idle = os.environ.get(IDLE_VARIABLE, "")
    try:
        Filters.stored(FILTERS).confine_executor()
        channel = ControlChannel()
        channel.connect_first()
    except (ChannelUnavailable, FilterRefused, ProfileUnsound) as error:
        logging.getLogger(__name__).error("%s", error)
        return FAILED
    name = f"genvm release {os.environ.get(NAME_VARIABLE, '')}".strip()
    return serve_one(channel, program, name, float(idle) if idle.isdigit() else IDLE_SECONDS)

"""The command: serves one job with the program that the image holds."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from genvm_executor.channel.control import ChannelUnavailable, ControlChannel
from genvm_release.session import serve_one

PROGRAM_VARIABLE, DEFAULT_PROGRAM = "GENVM_RELEASE_PROGRAM", "/opt/genvm/release/bin/genvm"
NAME_VARIABLE = "GENVM_RELEASE_VERSION"
IDLE_VARIABLE, IDLE_SECONDS = "GENVM_IDLE_SECONDS", 30
FAILED, USAGE = 1, 2


def main(words: list[str]) -> int:
    """The process's exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if words:
        sys.stderr.write("usage: genvm_release\n")
        return USAGE
    program = Path(os.environ.get(PROGRAM_VARIABLE, DEFAULT_PROGRAM))
    idle = os.environ.get(IDLE_VARIABLE, "")
    try:
        channel = ControlChannel()
        channel.connect_first()
    except ChannelUnavailable as error:
        logging.getLogger(__name__).error("%s", error)
        return FAILED
    name = f"genvm release {os.environ.get(NAME_VARIABLE, '')}".strip()
    return serve_one(channel, program, name, float(idle) if idle.isdigit() else IDLE_SECONDS)

"""`genvm-orchestrator engine-filter`."""

from __future__ import annotations

import argparse
import asyncio
import signal

import structlog

from orchestrator.engine_filter.place import Place
from orchestrator.engine_filter.service import filtered

log = structlog.get_logger(__name__)


def place_of(args: argparse.Namespace) -> Place:
    """A name with its tag or digest stands for its repository."""
    images = frozenset(map(repository, args.image))
    return Place(args.state_dir, images, frozenset(args.network), frozenset(args.oci_runtime))


def repository(reference: str) -> str:
    """`registry:5000/name:tag@digest` without tag and digest."""
    head, slash, last = reference.partition("@")[0].rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


async def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with filtered(place_of(args), args.engine, args.listen):
        log.info("filtering", listen=str(args.listen), engine=str(args.engine))
        await stop.wait()
    return 0

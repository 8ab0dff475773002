"""`genvm-orchestrator engine-filter`."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path

import structlog

from orchestrator.engine_filter.place import Place
from orchestrator.engine_filter.service import filtered

log = structlog.get_logger(__name__)


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; `run` takes what it parses."""
    parser = subparsers.add_parser(
        "engine-filter", help="the engine's socket with what a manager needs, for a manager in a container"
    )
    parser.add_argument(
        "--listen", type=Path, required=True, metavar="PATH", help="the socket for the manager"
    )
    parser.add_argument(
        "--engine",
        type=Path,
        default=Path("/var/run/docker.sock"),
        metavar="PATH",
        help="default %(default)s",
    )
    parser.add_argument(
        "--state-dir", type=Path, required=True, metavar="PATH", help="the manager's, as the engine sees it"
    )
    parser.add_argument(
        "--image",
        action="append",
        required=True,
        metavar="NAME",
        help="repository of which containers may be made, again for each",
    )
    parser.add_argument(
        "--network", action="append", default=[], metavar="NAME", help="a network for modules"
    )
    parser.add_argument(
        "--oci-runtime", action="append", default=[], metavar="NAME", help="a runtime besides the default"
    )


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

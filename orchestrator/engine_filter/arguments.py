"""The arguments of engine-filter. What executes them is `cli`."""

from __future__ import annotations

import argparse
from pathlib import Path


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

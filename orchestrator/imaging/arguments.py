"""The arguments of `images build`, `release` and `list`. What executes them is `cli`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from orchestrator.imaging.recipes import DEFAULT_BASE, RECIPES


def add_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `images` and its commands; `run` takes what they parse."""
    images = subparsers.add_parser("images", help="build and list the container images")
    commands = images.add_subparsers(dest="images_command", required=True, metavar="COMMAND")
    names = ", ".join(recipe.name for recipe in RECIPES)
    build = commands.add_parser("build", help="build what is out of date")
    build.add_argument("names", nargs="*", metavar="IMAGE", help=f"only these and their parents: {names}")
    _add_sources(build)
    release = commands.add_parser("release", help="wrap an official GenVM release (docs/official-release.md)")
    release.add_argument("archive", type=Path, metavar="ARCHIVE", help="its tar: plain, gzip, bzip2 or xz")
    release.add_argument(
        "version", metavar="VERSION", help="the image's tag, as the manifest names it: v0.2.16"
    )
    _add_sources(release)
    stored = commands.add_parser("list", help="list the images that were built here")
    stored.add_argument("--json", action="store_true", help="print one JSON list")


def _add_sources(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--base-image",
        default=os.environ.get("GENVM_BASE_IMAGE", DEFAULT_BASE),
        help="what genvm-base starts from, with Python 3.11 or newer and glibc (default: %(default)s)",
    )
    command.add_argument(
        "--rebuild", action="store_true", help="build even what is up to date, every step of it"
    )
    command.add_argument(
        "--json", action="store_true", help="print one JSON list at the end; what goes on, to stderr"
    )
    command.add_argument(
        "--source",
        type=Path,
        help="checkout to build from (default: this one, or what was installed with the command)",
    )

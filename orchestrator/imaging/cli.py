"""`genvm-orchestrator images build|release|list`."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.imaging.builder import Builder
from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.failures import ImagingFailure
from orchestrator.imaging.recipes import RECIPES, Recipe, chosen, official_release
from orchestrator.progress import progress

MIB = 1024 * 1024
_NAMES = ", ".join(recipe.name for recipe in RECIPES)
ARCHIVE = "archive"
"""What the Dockerfile of a release calls it."""
VERSION_TAG = re.compile(r"v?\d[\w.-]{0,100}")


def run(args: argparse.Namespace) -> int:
    """Run one `images` command; 0 on success, 1 when it failed, 2 for a wrong name."""
    try:
        match args.images_command:
            case "build":
                return _build(args)
            case "release":
                return _wrap(args)
        return _list(as_json=args.json)
    except ImagingFailure as failure:
        print(f"genvm-orchestrator: {failure}", file=sys.stderr)
        return 1


def _build(args: argparse.Namespace) -> int:
    try:
        recipes = chosen(args.names)
    except KeyError as unknown:
        print(f"genvm-orchestrator: no image is called {unknown}; there are {_NAMES}", file=sys.stderr)
        return 2
    _make(args, recipes, {})
    return 0


def _wrap(args: argparse.Namespace) -> int:
    if not VERSION_TAG.fullmatch(args.version):
        print(
            f"genvm-orchestrator: {args.version!r} cannot be an image's tag: a version is v0.2.16 or the"
            " like",
            file=sys.stderr,
        )
        return 2
    if not args.archive.is_file():
        print(f"genvm-orchestrator: {args.archive} is not there", file=sys.stderr)
        return 1
    if not tarfile.is_tarfile(args.archive):
        print(f"genvm-orchestrator: {args.archive} is no tar that can be read", file=sys.stderr)
        return 1
    release = official_release(args.version)
    _make(args, (*chosen([release.parent or ""]), release), {release.name: {ARCHIVE: args.archive}})
    return 0


def _make(
    args: argparse.Namespace, recipes: Sequence[Recipe], brought: Mapping[str, Mapping[str, Path]]
) -> None:
    checkout = find_checkout(args.source)
    made: list[dict[str, object]] = []
    with ImageEngine() as engine, progress() as shown:
        builder = Builder(checkout, engine, shown.say, args.base_image, args.rebuild)
        for number, recipe in enumerate(recipes, 1):
            shown.at(f"{recipe.repository}, {number} of {len(recipes)}")
            begun = time.monotonic()
            built = builder.build(recipe, brought.get(recipe.name))
            seconds, tags = time.monotonic() - begun, recipe.tags(checkout.version)
            how = "up to date" if built.reused else f"built in {seconds:.0f} s"
            shown.say(f"{tags[-1]}: {how}, {built.size / MIB:.0f} MiB")
            made.append(
                {
                    "id": built.image_id,
                    "bytes": built.size,
                    "tags": list(tags),
                    "up_to_date": built.reused,
                    "seconds": round(seconds, 3),
                }
            )
    if args.json:
        print(json.dumps(made, indent=2))


def _list(*, as_json: bool) -> int:
    with ImageEngine() as engine:
        stored = engine.stored()
    if as_json:
        listed = [{"id": image.image_id, "bytes": image.size, "tags": list(image.tags)} for image in stored]
        print(json.dumps(listed, indent=2))
        return 0
    for image in stored:
        tags = " ".join(image.tags) or "<none>"
        print(f"{image.image_id[7:19]}  {image.size / MIB:6.0f} MiB  {tags}")
    return 0

"""`genvm-orchestrator images build|list`."""

from __future__ import annotations

import argparse
import json
import sys
import time

from orchestrator.imaging.builder import Builder
from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.failures import ImagingFailure
from orchestrator.imaging.recipes import chosen

MIB = 1024 * 1024


def run(args: argparse.Namespace) -> int:
    """Run one `images` command; 0 on success, 1 when it failed, 2 for a wrong name."""
    try:
        return _build(args) if args.images_command == "build" else _list(as_json=args.json)
    except ImagingFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1


def _build(args: argparse.Namespace) -> int:
    try:
        recipes = chosen(args.names)
    except KeyError as unknown:
        print(f"error: no image is called {unknown}", file=sys.stderr)
        return 2
    checkout = find_checkout(args.source)
    with ImageEngine() as engine:
        builder = Builder(checkout, engine, _say, args.base_image, args.rebuild)
        for recipe in recipes:
            begun = time.monotonic()
            built = builder.build(recipe)
            how = "up to date" if built.reused else f"built in {time.monotonic() - begun:.0f} s"
            _say(f"{recipe.repository}: {how}, {built.size / MIB:.0f} MiB")
    return 0


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


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

"""`python -m images.shipping`, run by `make release`: writes a release into `dist/`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from images.shipping.release import NotReleasable, Release, require_one_version, require_releasable
from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.failures import ImagingFailure
from orchestrator.imaging.recipes import DEFAULT_BASE, RECIPES, chosen

MIB = 1024 * 1024


def main() -> int:
    """0 when everything is written; 1 when something is in the way, which is said."""
    args = _arguments()
    checkout = find_checkout()
    folder = checkout.root / args.folder
    try:
        if not args.dirty:
            require_releasable(checkout)
        require_one_version(checkout)
        recipes = () if args.no_images else chosen(args.image or [])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        release = Release(checkout, folder, _say)
        release.packages()
        if recipes:
            with ImageEngine() as engine:
                release.images(engine, recipes, os.environ.get("GENVM_BASE_IMAGE", DEFAULT_BASE))
        release.texts()
    except (ImagingFailure, NotReleasable) as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size / MIB:8.1f} MiB  {path}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make release", description="Write a release into a folder.")
    parser.add_argument(
        "--folder", type=Path, default=Path("dist"), help="emptied first (default: %(default)s)"
    )
    parser.add_argument(
        "--dirty", action="store_true", help="release changes that are not committed, to try it"
    )
    images = parser.add_mutually_exclusive_group()
    images.add_argument("--no-images", action="store_true", help="only what needs no container engine")
    images.add_argument(
        "--image",
        action="append",
        choices=[recipe.name for recipe in RECIPES],
        help="only this image and its parents; may be given several times",
    )
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

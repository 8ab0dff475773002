"""A release as a folder of files, from a checkout and, for the images, an engine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from images.shipping.bill_of_materials import bill_of
from images.shipping.canonical_images import CanonicalImage, canonical_image, write_archive
from images.shipping.chart_package import chart_says, package_chart
from images.shipping.checksums import write_checksums
from images.shipping.inventory import DebianDatabase, Inventory, take_inventory
from images.shipping.notes import ShippedImage, notes
from orchestrator.imaging.builder import Builder
from orchestrator.imaging.checkout import Checkout
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.recipes import Recipe
from orchestrator.imaging.wheels import build_project

CHART = "helm/genvm-orchestrator"
SCRATCH = "/var/tmp"  # noqa: S108 - made there under a name of its own
"""Where images are made canonical: twice the size of the greatest, for which a small /tmp has no room."""

Say = Callable[[str], None]


class NotReleasable(Exception):
    """The tree is not in a state to be released; the text says what to do."""


@dataclass(slots=True)
class Release:
    """What is shipped, as it is made. `folder` has nothing but this release's files."""

    checkout: Checkout
    folder: Path
    say: Say
    shipped: list[ShippedImage] = field(default_factory=list)
    databases: dict[str, DebianDatabase] = field(default_factory=dict)

    def packages(self) -> None:
        """The wheel, the source archive, the chart."""
        self.say("packing wheel, source archive and chart")
        # Elsewhere first: a folder in the checkout that git does not ignore would be packed into the archive.
        with tempfile.TemporaryDirectory(prefix="genvm-release-") as scratch:
            build_project(self.checkout.root, Path(scratch), "wheel", "sdist")
            for package in (*Path(scratch).glob("*.whl"), *Path(scratch).glob("*.tar.gz")):
                shutil.copy(package, self.folder)
        package_chart(self.checkout.root / CHART, self.folder)

    def images(self, engine: ImageEngine, recipes: Sequence[Recipe], base_image: str) -> None:
        """Build what is out of date, and write each image with its bill of materials, parents first."""
        builder = Builder(self.checkout, engine, self.say, base_image)
        for recipe in recipes:
            builder.build(recipe)
            self.say(f"packing {recipe.repository}")
            with tempfile.TemporaryDirectory(prefix="genvm-release-", dir=SCRATCH) as scratch:
                self._image(recipe, read_image(engine, recipe, self.checkout.revision, Path(scratch)))

    def _image(self, recipe: Recipe, image: CanonicalImage) -> None:
        version = self.checkout.version
        inventory = self._inventory(recipe, image)
        name = f"{recipe.repository}-{version}"
        environment = dict(line.partition("=")[::2] for line in image.config["config"].get("Env", ()))
        bill = bill_of(recipe.repository, version, image.digest, inventory, environment)
        (self.folder / f"{name}.cdx.json").write_text(bill, "utf-8")
        write_archive(image, recipe.tags(version), self.folder / f"{name}.tar.gz")
        reference = f"{recipe.repository}:{version}"
        self.shipped.append(ShippedImage(reference, f"{name}.tar.gz", image.digest, image.image_id))

    def _inventory(self, recipe: Recipe, image: CanonicalImage) -> Inventory:
        below = self.databases.get(recipe.parent) if recipe.parent else None
        inventory = take_inventory([layer.path for layer in image.layers], below)
        self.databases[recipe.name] = inventory.database
        return inventory

    def texts(self) -> None:
        """The notes and, last of all, the checksums of everything."""
        said = notes(self.checkout.root, self.checkout.version, self.checkout.revision, self.shipped)
        (self.folder / "RELEASE-NOTES.md").write_text(said, "utf-8")
        write_checksums(self.folder)


def read_image(engine: ImageEngine, recipe: Recipe, revision: str, scratch: Path) -> CanonicalImage:
    """The image of a recipe out of the engine, canonical, its parts in `scratch`. Raises BuildFailed."""
    saved = scratch / "saved.tar"
    engine.save(f"{recipe.repository}:latest", saved)
    blobs = scratch / "blobs"
    blobs.mkdir()
    image = canonical_image(saved, blobs, revision)
    saved.unlink()
    return image


def require_releasable(checkout: Checkout) -> None:
    """Raises NotReleasable unless everything is committed and the chart says the project's version."""
    status = subprocess.run(
        ["git", "-C", str(checkout.root), "status", "--porcelain"],
        capture_output=True,
        text=True,
        check=False,
    )
    if status.returncode != 0 or not checkout.revision:
        raise NotReleasable(f"{checkout.root} is not a git checkout: a release names its commit")
    if status.stdout:
        raise NotReleasable(
            f"there are changes that are not committed (--dirty releases them):\n{status.stdout}"
        )


def require_one_version(checkout: Checkout) -> None:
    """Raises NotReleasable where the chart says another version than pyproject.toml."""
    chart = chart_says(checkout.root / CHART)
    said = {chart["version"], chart["appVersion"]}
    if said != {checkout.version}:
        raise NotReleasable(
            f"{CHART}/Chart.yaml says {' and '.join(sorted(said))}, the project {checkout.version}"
        )

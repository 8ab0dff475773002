"""What each image is made of, as files and as a digest: what decides whether it is up to date."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.imaging import bootstrap
from orchestrator.imaging.checkout import Checkout
from orchestrator.imaging.context import context_files, digest
from orchestrator.imaging.recipes import RECIPES, Recipe

INSTALLER_LOCK = "images/installer.lock"


def files_of(checkout: Checkout, recipe: Recipe) -> dict[str, Path]:
    """The build context less wheels and Debian packages, which come later. Raises SourcesMissing."""
    folder = f"images/{recipe.name}"
    extra = checkout.packages_below(folder)
    if recipe.wraps is not None:
        # How executors talk to their manager, and the watchdog; what else is in the package is not imported.
        extra["genvm_executor"] = checkout.path("images/executor/genvm_executor")
        extra["first.py"] = checkout.path("images/executor/first.py")
    if recipe.lock is not None:
        extra["requirements.lock"] = checkout.path(recipe.lock)
        extra["installer.lock"] = checkout.path(INSTALLER_LOCK)
    return context_files(checkout.path(folder), extra)


def content_of(
    checkout: Checkout, recipe: Recipe, parent: str, brought: Mapping[str, Path] | None = None
) -> str:
    """The digest of all that an image is made from. `parent`: the parent's, or the name of the base image.

    `brought`: files that no checkout has.

    Raises SourcesMissing.
    """
    facts = {"parent": parent}
    if recipe.parent is None:
        facts["bootstrap"] = bootstrap.fingerprint()
    if recipe.packages:
        facts["packages"] = " ".join(recipe.packages)
    if recipe.wraps is not None:
        facts["wraps"] = recipe.wraps
    folder = checkout.path(f"images/{recipe.name}")
    sources = context_files(folder, {name: checkout.path(name) for name in recipe.project_sources})
    return digest({**sources, **files_of(checkout, recipe), **(brought or {})}, facts)


def contents(checkout: Checkout, base_image: str) -> dict[str, str]:
    """The digest of every image by the recipe's name. Raises SourcesMissing."""
    found: dict[str, str] = {}
    for recipe in RECIPES:
        parent = found[recipe.parent] if recipe.parent else base_image
        found[recipe.name] = content_of(checkout, recipe, parent)
    return found

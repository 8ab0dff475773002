"""Builds what is out of date, in order, and reuses everything else.

An image carries a digest of all it was made from: its files, its lock, its parent's digest, the build
arguments. A second build compares digests and returns; it needs neither the network nor pip.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from orchestrator.imaging import bootstrap, packages, wheels
from orchestrator.imaging.checkout import Checkout
from orchestrator.imaging.contents import content_of, files_of
from orchestrator.imaging.context import write_tar
from orchestrator.imaging.engine import CONTENT_LABEL, PROJECT_LABEL, ImageEngine
from orchestrator.imaging.failures import BaseUnavailable, BuildFailed
from orchestrator.imaging.recipes import DEFAULT_BASE, Recipe

LICENCE = "Apache-2.0"
COMPANY = "somebody else builds these images on this engine; when that is done, try again"


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome for one image; `reused` when it was up to date."""

    recipe: Recipe
    image_id: str
    size: int
    reused: bool


class Builder:
    """Builds recipes of one checkout in one engine; `say` gets one line per step of progress."""

    def __init__(
        self,
        checkout: Checkout,
        engine: ImageEngine,
        say: Callable[[str], None],
        base_image: str = DEFAULT_BASE,
        rebuild: bool = False,
    ) -> None:
        self._checkout = checkout
        self._engine = engine
        self._say = say
        self._base_image = base_image
        self._rebuild = rebuild
        self._contents: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._replaced: list[str] = []

    def build(self, recipe: Recipe, brought: Mapping[str, Path] | None = None) -> Built:
        """Build one image, its parent having been built before; `brought` are files that no checkout has.

        Raises ImagingFailure.
        """
        files = {**files_of(self._checkout, recipe), **(brought or {})}
        parent = self._contents[recipe.parent] if recipe.parent else self._base_image
        content = self._contents[recipe.name] = content_of(self._checkout, recipe, parent, brought)
        tags = recipe.tags(self._checkout.version)
        before = self._engine.find(tags[0])
        reused = before is not None and before.content == content and not self._rebuild
        if not reused:
            self._make(recipe, files, content, tags[0])
        after = self._engine.find(tags[0])
        if after is None or after.content != content:
            raise BuildFailed(f"{tags[0]} became another image meanwhile: {COMPANY}")
        self._ids[recipe.name] = after.image_id
        for tag in set(tags) - set(after.tags):
            self._engine.tag(after.image_id, tag)
        if before is not None and before.image_id != after.image_id:
            self._replaced.append(before.image_id)
            self.drop_replaced()
        return Built(recipe, after.image_id, after.size, reused)

    def drop_replaced(self) -> None:
        """Remove what was replaced, the latest first: an old base goes only after its old children."""
        for image_id in reversed(self._replaced):
            self._engine.drop(image_id)

    def _make(self, recipe: Recipe, files: dict[str, Path], content: str, tag: str) -> None:
        self._say(f"building {tag}")
        start = self._start(recipe)
        with ExitStack() as stack:
            if recipe.lock is not None:
                collected = stack.enter_context(
                    wheels.collected(self._checkout, recipe, self._target(start), self._say)
                )
                files = {**files, **{f"wheels/{path.name}": path for path in collected}}
            if recipe.packages:
                debs = stack.enter_context(packages.collected(self._engine, recipe, start, self._say))
                files = {**files, **{f"debs/{path.name}": path for path in debs}}
            context = stack.enter_context(tempfile.TemporaryFile())
            write_tar(files, context)
            context.seek(0)
            labels = self._labels(recipe, content, start)
            arguments = {"BASE_IMAGE": start}
            if recipe.wraps is not None:
                arguments["RELEASE_VERSION"] = recipe.wraps
            self._engine.build(context, tag, arguments, labels, anew=self._rebuild)

    def _start(self, recipe: Recipe) -> str:
        """The image to start from: the parent, the public base, or the one made here instead.

        A parent by its id: its name may be another checkout's by now, and what is made from that would have
        the label of this one's for good.
        """
        if recipe.parent is not None:
            parent = self._ids[recipe.parent]
            if self._engine.find(parent) is None:
                raise BuildFailed(f"the genvm-{recipe.parent} that this began with is gone: {COMPANY}")
            return parent
        if self._engine.find(self._base_image) is not None:
            return self._base_image
        try:
            self._engine.pull(self._base_image)
        except BaseUnavailable as refusal:
            if self._base_image != DEFAULT_BASE:
                raise
            self._say(f"{refusal}; making a base with debootstrap instead")
            return self._bootstrapped(refusal)
        return self._base_image

    def _bootstrapped(self, refusal: BaseUnavailable) -> str:
        known = self._engine.find(bootstrap.TAG)
        if known is not None and known.content == bootstrap.fingerprint():
            return bootstrap.TAG
        try:
            with bootstrap.root_archive(self._say) as archive:
                labels = {CONTENT_LABEL: bootstrap.fingerprint(), PROJECT_LABEL: "bootstrap"}
                self._engine.import_root(archive, bootstrap.TAG, labels)
        except BaseUnavailable as error:
            raise BaseUnavailable(f"{refusal}\nand none can be made here: {error}") from error
        return bootstrap.TAG

    def _target(self, image: str) -> wheels.Target:
        asked = self._engine.ask_python(image, wheels.TARGET_QUESTION)
        return wheels.parse_target(asked)

    def _labels(self, recipe: Recipe, content: str, start: str) -> dict[str, str]:
        return {
            CONTENT_LABEL: content,
            PROJECT_LABEL: recipe.name,
            "org.opencontainers.image.title": recipe.title,
            "org.opencontainers.image.description": recipe.description,
            "org.opencontainers.image.version": self._checkout.version,
            "org.opencontainers.image.revision": self._checkout.revision,
            "org.opencontainers.image.licenses": LICENCE,
            "org.opencontainers.image.base.name": f"genvm-{recipe.parent}:latest" if recipe.parent else start,
        }

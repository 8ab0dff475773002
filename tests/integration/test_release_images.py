"""An image of a release on the real engine: built twice it is the same, and what was packed loads."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from images.shipping.canonical_images import CanonicalImage, write_archive
from images.shipping.inventory import take_inventory
from images.shipping.release import read_image
from orchestrator.imaging.builder import Builder
from orchestrator.imaging.checkout import find_checkout
from orchestrator.imaging.engine import ImageEngine
from orchestrator.imaging.recipes import Recipe

DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE} AS making
LABEL io.genvm.orchestrator.image.stage=making
USER root
RUN mkdir /made && echo "VALUE = {'a', 'b', 'c', 'd'}" > /made/module.py \\
    && python3 -m compileall -q --invalidation-mode unchecked-hash /made
FROM scratch
COPY --from=making /made/ /made/
USER 64321
ENTRYPOINT ["python3"]
"""


@pytest.fixture
def recipe(tmp_path: Path, engine: docker.APIClient) -> Iterator[Recipe]:
    name = f"test-{secrets.token_hex(4)}"
    folder = tmp_path / "images" / name
    folder.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "9.9"\n')
    (folder / "Dockerfile").write_text(DOCKERFILE)
    yield Recipe(name=name, title="t", description="d")
    for image in engine.images(f"genvm-{name}"):
        engine.remove_image(image["Id"], force=True)


def built(engine: ImageEngine, recipe: Recipe, root: Path, blobs: str) -> tuple[str, CanonicalImage]:
    """What the engine calls a fresh build, and its canonical form."""
    done = Builder(find_checkout(root), engine, lambda _: None, "genvm-base:latest", rebuild=True).build(
        recipe
    )
    folder = root / blobs
    folder.mkdir()
    return done.image_id, read_image(engine, recipe, "", folder)


def test_two_builds_are_one_image_that_loads(
    recipe: Recipe, engine: docker.APIClient, tmp_path: Path
) -> None:
    with ImageEngine() as images:
        early, first = built(images, recipe, tmp_path, "first")
        late, second = built(images, recipe, tmp_path, "second")
        assert early != late
        assert (first.digest, first.image_id) == (second.digest, second.image_id)

        write_archive(second, recipe.tags("9.9"), tmp_path / "packed.tar.gz")
        for tag in recipe.tags("9.9"):
            engine.remove_image(tag)
        with (tmp_path / "packed.tar.gz").open("rb") as packed:
            images.load(packed)
        loaded = images.find(recipe.tags("9.9")[1])
        assert loaded is not None
        assert loaded.image_id == second.image_id
        assert engine.inspect_image(second.image_id)["Config"]["Entrypoint"] == ["python3"]  # type: ignore[no-untyped-call]

    found = take_inventory([layer.path for layer in second.layers])
    assert "made/module.py" in found.files

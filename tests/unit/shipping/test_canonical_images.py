"""What two builds of the same files leave different in an image does not reach a release."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from images.shipping.canonical_images import CanonicalImage, canonical_image, write_archive
from images.shipping.checksums import sum_of
from orchestrator.imaging.context import EPOCH

REFERENCES = ("genvm-thing:latest", "genvm-thing:9.9")


def layer(times: int, order: int) -> bytes:
    """Files of one layer as a builder at some time writes them, in its order."""
    entries = [
        ("etc", tarfile.DIRTYPE, b"", ""),
        ("etc/one", tarfile.REGTYPE, b"1", ""),
        ("etc/two", tarfile.REGTYPE, b"22", ""),
        ("etc/again", tarfile.LNKTYPE, b"", "etc/one"),
        ("etc/pointer", tarfile.SYMTYPE, b"", "two"),
    ]
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, content, link in entries[::order] if order > 0 else [*entries[3:], *entries[:3]]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, link, len(content)
            entry.mtime, entry.uname = EPOCH + times, f"user-{times}"
            entry.pax_headers = {"atime": f"{times}.25", "SCHILY.xattr.security.capability": "x"}
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def saved(folder: Path, times: int, order: int) -> Path:
    """What `docker save` gives of an image that was built `times` seconds later."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": f"2026-11-29T00:00:{times:02}Z",
        "container": f"{times}" * 64,
        "docker_version": "20.10",
        "history": [{"created": f"2026-11-29T00:00:{times:02}Z"}],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:0"]},
        "config": {
            "Image": f"sha256:{times}",
            "Hostname": "",
            "Env": ["A=1"],
            "Entrypoint": ["thing"],
            "Labels": {"org.opencontainers.image.revision": f"commit-{times}", "a": "b"},
            "Healthcheck": {"Test": ["CMD", "true"]},
        },
    }
    target = folder / f"saved-{times}.tar"
    listed = [{"Config": "c.json", "RepoTags": [REFERENCES[0]], "Layers": ["a/layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        for name, content in (
            ("c.json", json.dumps(config).encode()),
            ("a/layer.tar", layer(times, order)),
            ("manifest.json", json.dumps(listed).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return target


def packed(tmp_path: Path, times: int, order: int = 1) -> tuple[CanonicalImage, Path]:
    folder = tmp_path / f"blobs-{times}"
    folder.mkdir()
    image = canonical_image(saved(tmp_path, times, order), folder, "the-release")
    target = tmp_path / f"archive-{times}.tar.gz"
    write_archive(image, REFERENCES, target)
    return image, target


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, bytes]:
    _, target = packed(tmp_path, 1)
    with gzip.open(target) as opened, tarfile.open(fileobj=opened) as entries:
        return {entry.name: read(entries, entry) for entry in entries}


def read(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(entry)
    assert opened is not None
    return opened.read()


def test_two_builds_of_the_same_files_are_the_same_file(tmp_path: Path) -> None:
    first, early = packed(tmp_path, 1)
    second, late = packed(tmp_path, 59, order=-1)
    assert (first.digest, first.image_id) == (second.digest, second.image_id)
    assert early.read_bytes() == late.read_bytes()


def test_every_blob_lies_under_its_digest_and_is_named_by_whom_it_belongs_to(
    archive: dict[str, bytes],
) -> None:
    (described,) = json.loads(archive["index.json"])["manifests"]
    manifest: dict[str, Any] = json.loads(archive[place(described)])
    parts = [described, manifest["config"], *manifest["layers"]]
    assert {place(part) for part in parts} == {name for name in archive if name.startswith("blobs/")}
    assert [len(archive[place(part)]) for part in parts] == [part["size"] for part in parts]
    config = json.loads(archive[place(manifest["config"])])
    assert config["rootfs"]["diff_ids"] == [part["digest"] for part in manifest["layers"]]
    assert json.loads(archive["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def place(described: dict[str, Any]) -> str:
    return "blobs/sha256/" + str(described["digest"]).removeprefix("sha256:")


def test_old_engines_find_the_same_image(archive: dict[str, bytes]) -> None:
    (listed,) = json.loads(archive["manifest.json"])
    manifest = json.loads(archive[place(json.loads(archive["index.json"])["manifests"][0])])
    assert listed["RepoTags"] == list(REFERENCES)
    assert listed["Config"] == place(manifest["config"])
    assert listed["Layers"] == [place(part) for part in manifest["layers"]]


def test_how_it_is_run_stays_and_how_it_was_built_goes(tmp_path: Path) -> None:
    image, _ = packed(tmp_path, 1)
    assert image.config["config"] == {
        "Env": ["A=1"],
        "Entrypoint": ["thing"],
        "Labels": {"org.opencontainers.image.revision": "the-release", "a": "b"},
        "Healthcheck": {"Test": ["CMD", "true"]},
    }
    assert image.config.keys() == {"architecture", "os", "created", "config", "rootfs"}


def test_a_link_follows_what_it_links_to_and_attributes_of_files_stay(tmp_path: Path) -> None:
    image, _ = packed(tmp_path, 1, order=-1)
    with tarfile.open(image.layers[0].path) as opened:
        entries = opened.getmembers()
    assert [entry.name for entry in entries] == ["etc", "etc/one", "etc/pointer", "etc/two", "etc/again"]
    assert {(entry.mtime, entry.uname) for entry in entries} == {(EPOCH, "")}
    assert {tuple(entry.pax_headers) for entry in entries} == {("SCHILY.xattr.security.capability",)}


def test_a_blobs_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    image, _ = packed(tmp_path, 1)
    for blob in (image.config_blob, image.manifest_blob, *image.layers):
        assert (sum_of(blob.path), blob.path.stat().st_size) == (
            blob.digest.removeprefix("sha256:"),
            blob.size,
        )

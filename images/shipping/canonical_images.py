"""An image as an OCI layout that any engine loads, made from what an engine saves of it.

The engine's own id of an image has the time of its build in it, and its parent's id. Here both are left out:
the digest of the manifest, and the id that the image gets where it is loaded, depend on what it holds alone.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from images.shipping.canonical_layers import Blob, DigestingFile, canonical_layer
from orchestrator.imaging.context import EPOCH

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REVISION_LABEL = "org.opencontainers.image.revision"

KEPT = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal",
    "Healthcheck",
)  # fmt: skip
"""Of how an image is run. What else engines write there says how it was built."""


@dataclass(frozen=True, slots=True)
class CanonicalImage:
    """An image in its parts. `digest` is its manifest's, by which registries call it; `image_id` is what an
    engine calls it that has loaded it. `layers` from the lowest up, `config` as it says itself.
    """

    config: Mapping[str, Any]
    config_blob: Blob
    manifest_blob: Blob
    layers: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        return self.manifest_blob.digest

    @property
    def image_id(self) -> str:
        return self.config_blob.digest


def canonical_image(saved: Path, folder: Path, revision: str) -> CanonicalImage:
    """The image in an archive of `docker save`, its parts written into `folder`.

    `revision` is the commit of the release: an image that was up to date before may say an older one.
    """
    with tarfile.open(saved, mode="r:") as archive:
        (listed,) = json.load(_opened(archive, "manifest.json"))
        said = json.load(_opened(archive, listed["Config"]))
        layers = tuple(canonical_layer(_opened(archive, name), folder) for name in listed["Layers"])
    config = _config(said, layers, revision)
    config_blob = _json_blob(config, folder)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config_blob),
        "layers": [_descriptor(LAYER, layer) for layer in layers],
    }
    return CanonicalImage(config, config_blob, _json_blob(manifest, folder), layers)


def write_archive(image: CanonicalImage, references: tuple[str, ...], target: Path) -> None:
    """Write one file, compressed, that is an OCI layout and what `docker load` of any engine takes.

    It gets the names `references` where it is loaded. The compression is not part of any digest of the image.
    """
    blobs = {blob.digest: blob for blob in (image.config_blob, image.manifest_blob, *image.layers)}
    names = {"org.opencontainers.image.ref.name": references[0].rpartition(":")[2]}
    index = {
        "schemaVersion": 2,
        "manifests": [_descriptor(MANIFEST, image.manifest_blob) | {"annotations": names}],
    }
    # For engines that are older than the layout.
    listed = {
        "Config": _place(image.config_blob),
        "RepoTags": list(references),
        "Layers": [_place(layer) for layer in image.layers],
    }
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for blob in sorted(blobs.values(), key=lambda blob: blob.digest):
            with blob.path.open("rb") as content:
                _add(archive, _place(blob), content, blob.size)
        for name, value in (
            ("index.json", index),
            ("manifest.json", [listed]),
            ("oci-layout", {"imageLayoutVersion": "1.0.0"}),
        ):
            text = _json(value)
            _add(archive, name, io.BytesIO(text), len(text))


def _config(said: Mapping[str, Any], layers: tuple[Blob, ...], revision: str) -> dict[str, Any]:
    run = {key: said["config"][key] for key in KEPT if said["config"].get(key)}
    run["Labels"] = {**run.get("Labels", {}), REVISION_LABEL: revision}
    return {
        "architecture": said["architecture"],
        "os": said["os"],
        **({"variant": said["variant"]} if said.get("variant") else {}),
        "created": datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
    }


def _opened(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    assert found is not None, f"{name} is not a file"
    return found


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _json_blob(value: object, folder: Path) -> Blob:
    draft = folder / "draft"
    with draft.open("wb") as opened:
        target = DigestingFile(opened)
        target.write(_json(value))
    return Blob(draft.rename(folder / target.digest.removeprefix("sha256:")), target.digest, target.size)


def _descriptor(kind: str, blob: Blob) -> dict[str, Any]:
    return {"mediaType": kind, "digest": blob.digest, "size": blob.size}


def _place(blob: Blob) -> str:
    return f"blobs/sha256/{blob.digest.removeprefix('sha256:')}"


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, EPOCH
    archive.addfile(entry, content)

"""Layers without a trace of when and where they were built: two builds of the same files give the same bytes.

What a builder leaves in a layer and nobody needs is taken out: the order, times, names of users.
"""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from orchestrator.imaging.context import EPOCH

KEPT_RECORDS = "SCHILY.xattr."
"""Of a tar's extended records only a file's attributes (its capabilities) mean something to others."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of an image's archive: where it lies, `sha256:…` of its bytes, their number."""

    path: Path
    digest: str
    size: int


class DigestingFile:
    """A file that is written once and knows the digest of what was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._sum.update(data)
        self.size += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.size

    @property
    def digest(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"


def canonical_layer(layer: IO[bytes], folder: Path) -> Blob:
    """Write a layer's tar anew into `folder`, under its digest."""
    draft = folder / "draft"
    with draft.open("wb") as opened, tarfile.open(fileobj=layer, mode="r:") as source:
        target = DigestingFile(opened)
        with tarfile.open(fileobj=cast(Any, target), mode="w", format=tarfile.PAX_FORMAT) as written:
            for entry in sorted(source.getmembers(), key=_order):
                content = source.extractfile(entry) if entry.isreg() else None
                written.addfile(_timeless(entry), content)
    path = folder / target.digest.removeprefix("sha256:")
    return Blob(draft.rename(path), target.digest, target.size)


def _order(entry: tarfile.TarInfo) -> tuple[bool, str]:
    """By name, and what is another name of a file after all files."""
    return entry.islnk(), entry.name


def _timeless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = min(int(entry.mtime), EPOCH)
    entry.uname = entry.gname = ""
    records = entry.pax_headers.items()
    entry.pax_headers = {key: value for key, value in sorted(records) if key.startswith(KEPT_RECORDS)}
    return entry

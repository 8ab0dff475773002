"""The wheel that this command was installed from, made again from what lies installed.

For building the manager's image where there is no checkout, and so nothing that a build tool could build.
"""

from __future__ import annotations

import base64
import hashlib
import time
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath

from orchestrator.imaging.context import EPOCH
from orchestrator.imaging.failures import WheelsUnavailable

OF_THE_INSTALLER = frozenset(
    {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}
)
"""What installers add to a distribution's own directory; all but RECORD are never in a wheel."""


def repacked(distribution: metadata.Distribution, folder: Path) -> Path:
    """Write the wheel into `folder`, the same bytes each time; its path.

    Raises WheelsUnavailable when the installation has no list of its files, or one of them is gone.
    """
    files = dict(sorted(_files(distribution)))
    names = [name for name in files if name.endswith(".dist-info/METADATA")]
    if len(names) != 1:
        raise WheelsUnavailable(f"the installation of {distribution.name} has no list of its files")
    info = names[0].removesuffix("/METADATA")
    target = folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    record = ""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            content = _content(path)
            archive.writestr(_entry(name, executable=bool(path.stat().st_mode & 0o100)), content)
            record += f"{name},sha256={_hash(content)},{len(content)}\n"
        record += f"{info}/RECORD,,\n"
        archive.writestr(_entry(f"{info}/RECORD", executable=False), record)
    return target


def _files(distribution: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    for file in distribution.files or ():
        name = PurePosixPath(file)
        made_here = name.suffix == ".pyc" or (
            name.parent.suffix == ".dist-info" and name.name in OF_THE_INSTALLER
        )
        # Above the packages lie the commands, which an installer makes for each place anew.
        if not made_here and ".." not in name.parts and not name.is_absolute():
            yield str(name), Path(str(distribution.locate_file(file)))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WheelsUnavailable(f"this installation is not whole: {error}; install it again") from error


def _entry(name: str, *, executable: bool) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    return entry


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()

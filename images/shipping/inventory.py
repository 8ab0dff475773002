"""What is in an image: its files, the Debian packages and the Python packages that they are of."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

STATUS = "var/lib/dpkg/status"
LISTS = "var/lib/dpkg/info/"
METADATA = re.compile(r"\.dist-info/METADATA$")
WASI = re.compile(r"/python-(\d+\.\d+\.\d+)\.wasm$")
MERGED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """One paragraph of dpkg's status. `source` and its version are what Debian's security notices name."""

    name: str
    version: str
    architecture: str
    source: str
    maintainer: str


@dataclass(frozen=True, slots=True)
class PythonPackage:
    """What a distribution says of itself; `licence`: an SPDX expression, free text or empty."""

    name: str
    version: str
    licence: str
    summary: str


@dataclass(slots=True)
class DebianDatabase:
    """What dpkg knew when packages were last installed: it may be gone again, and lie in lower layers."""

    status: str = ""
    owned: dict[str, frozenset[str]] = field(default_factory=dict)
    """Package → its files, as they are named in a root where /bin, /sbin and /lib are links into /usr."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """`files` are paths without a leading slash, no folders. `wasi` are versions of CPython for WASI."""

    files: frozenset[str]
    debian: tuple[DebianPackage, ...]
    python: tuple[PythonPackage, ...]
    wasi: tuple[str, ...]
    database: DebianDatabase


def take_inventory(layers: Iterable[Path], below: DebianDatabase | None = None) -> Inventory:
    """Of an image's layers, from the lowest up.

    `below` is what dpkg knew of the image that this one's files are from, where its own layers do not say.
    """
    files: set[str] = set()
    texts: dict[str, str] = {}
    database = DebianDatabase()
    for path in layers:
        with tarfile.open(path, mode="r:") as layer:
            _apply(layer, files, texts, database)
    known = database if database.status else below or database
    distributions = [text for name, text in sorted(texts.items()) if name in files]
    wasi = sorted({match[1] for name in files if (match := WASI.search(name))})
    return Inventory(
        frozenset(files),
        tuple(_present(known, files)),
        tuple(map(_python, distributions)),
        tuple(wasi),
        known,
    )


def _apply(layer: tarfile.TarFile, files: set[str], texts: dict[str, str], database: DebianDatabase) -> None:
    """One layer more: what it takes away, what it brings."""
    entries = [(_clean(entry.name), entry) for entry in layer if not entry.isdir()]
    for name, _ in entries:
        _remove(PurePosixPath(name), files)
    for name, entry in entries:
        if PurePosixPath(name).name.startswith(WHITEOUT):
            continue
        files.add(name)
        if entry.isreg() and METADATA.search(name):
            texts[name] = _text(layer, entry)
        elif entry.isreg() and name == STATUS:
            database.status = _text(layer, entry)
        elif entry.isreg() and name.startswith(LISTS) and name.endswith(".list"):
            package = name.removeprefix(LISTS).removesuffix(".list").partition(":")[0]
            owned = _text(layer, entry).splitlines()
            database.owned[package] = frozenset(merged(line.lstrip("/")) for line in owned)


def _remove(name: PurePosixPath, files: set[str]) -> None:
    if not name.name.startswith(WHITEOUT):
        return
    gone = name.parent if name.name == OPAQUE else name.parent / name.name.removeprefix(WHITEOUT)
    below = f"{gone}/"
    files.difference_update([file for file in files if file == str(gone) or file.startswith(below)])


def _present(database: DebianDatabase, files: Iterable[str]) -> Iterator[DebianPackage]:
    """The installed packages of which there is a file."""
    # The links at the top of a merged root are what packages still list as folders of their own.
    there = {merged(file) for file in files if f"{file}/" not in MERGED}
    for paragraph in database.status.split("\n\n"):
        fields = Parser().parsestr(paragraph)
        owned = database.owned.get(fields["Package"] or "", frozenset())
        if (fields["Status"] or "").endswith(" installed") and owned & there:
            yield _debian(fields)


def _debian(fields: Message | Mapping[str, str]) -> DebianPackage:
    """A source that has the package's own name and version is not said."""
    source = re.fullmatch(r"(\S+)(?: \((.+)\))?", fields["Source"] or fields["Package"])
    assert source is not None, fields["Source"]
    return DebianPackage(
        name=fields["Package"],
        version=fields["Version"],
        architecture=fields["Architecture"],
        source=f"{source[1]}@{source[2] or fields['Version']}",
        maintainer=fields["Maintainer"] or "",
    )


def _python(text: str) -> PythonPackage:
    fields = Parser().parsestr(text, headersonly=True)
    licence = fields["License-Expression"] or (fields["License"] or "").strip().partition("\n")[0]
    return PythonPackage(fields["Name"], fields["Version"], licence, fields["Summary"] or "")


def merged(path: str) -> str:
    """A path as it is where /bin, /sbin and /lib are links into /usr: packages still name the old places."""
    return f"usr/{path}" if path.startswith(MERGED) else path


def _clean(name: str) -> str:
    return name.removeprefix("./").lstrip("/")


def _text(layer: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    opened = layer.extractfile(entry)
    assert opened is not None
    return opened.read().decode("utf-8", "replace")

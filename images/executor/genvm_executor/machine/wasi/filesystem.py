"""The read-only virtual file system of a guest: files by absolute path, directories implied.

There is no metadata, and directory order is the byte order of names, so nothing here can differ between two
machines.
"""

from __future__ import annotations

from genvm_executor.machine.wasi.errno import Errno, WasiRefused
from genvm_wire.records import field, mutable, record

MAX_PATH = 4096


@mutable
class Directory:
    entries: dict[str, Node] = field(default_factory=dict)

    def names(self) -> list[str]:
        return sorted(self.entries, key=lambda name: name.encode("utf-8", "surrogateescape"))


@record
class File:
    data: bytes | memoryview


Node = Directory | File


class FileSystem:
    """A tree that only the host can change."""

    def __init__(self) -> None:
        self.root = Directory()

    def add(self, path: str, data: bytes | memoryview) -> None:
        """Put a file at the absolute `path`; a file in the way of a directory is replaced."""
        *parents, name = _components(path)
        here = self.root
        for parent in parents:
            child = here.entries.get(parent)
            if not isinstance(child, Directory):
                child = here.entries[parent] = Directory()
            here = child
        here.entries[name] = File(data)

    def copy(self) -> FileSystem:
        """An independent tree that shares file contents."""
        twin = FileSystem()
        twin.root = _copy(self.root)
        return twin


def _copy(directory: Directory) -> Directory:
    return Directory(
        {
            name: _copy(node) if isinstance(node, Directory) else node
            for name, node in directory.entries.items()
        }
    )


def _components(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part and part != "."]
    if not parts or ".." in parts:
        raise ValueError(f"not an absolute file path: {path!r}")
    return parts


def resolve(start: Directory, path: bytes) -> Node:
    """The node at `path` below `start`.

    Raises WasiRefused: noent, notdir, notcapable (a path that leaves `start`), nametoolong.
    """
    if len(path) > MAX_PATH:
        raise WasiRefused(Errno.NAMETOOLONG)
    trail: list[Directory] = []
    node: Node = start
    for part in path.decode("utf-8", "surrogateescape").split("/"):
        if not isinstance(node, Directory):
            raise WasiRefused(Errno.NOTDIR)
        if part in {"", "."}:
            continue
        if part == "..":
            if not trail:
                raise WasiRefused(Errno.NOTCAPABLE)
            node = trail.pop()
            continue
        child = node.entries.get(part)
        if child is None:
            raise WasiRefused(Errno.NOENT)
        trail.append(node)
        node = child
    return node

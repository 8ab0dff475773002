"""A node's listening socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def node() -> Iterator[socket.socket]:
    """A node's listening socket."""
    with TemporaryDirectory(prefix="node") as directory, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(directory) / "host.sock"))
        listener.listen(1000)
        yield listener


@pytest.fixture
def host(node: socket.socket) -> str:
    return f"unix://{node.getsockname()}"

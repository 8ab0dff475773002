"""The proxy of examples/several, as Debian's HAProxy runs it in front of managers on unix sockets."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.until import wait_until

CONFIGURATION = Path(__file__).resolve().parents[1] / "examples" / "several" / "haproxy.cfg"


def _program() -> str:
    """Server programs are not on everybody's PATH."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.fail("haproxy is not installed; `make test` installs Debian's", pytrace=False)
    return found


@contextmanager
def proxy(socket: Path, one: Path, two: Path) -> Iterator[None]:
    """Listening on `socket` in front of the two managers' sockets. Blocking."""
    places = {"LISTEN": socket, "ONE": one, "TWO": two}
    environment = os.environ | {f"GENVM_PROXY_{name}": f"unix@{path}" for name, path in places.items()}
    program = [_program(), "-db", "-f", str(CONFIGURATION)]
    with socket.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(program, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: socket.exists() or process.poll() is not None)
        assert process.poll() is None, socket.with_suffix(".log").read_text("utf-8")
        yield
    finally:
        process.terminate()
        process.wait()

"""The proxy of examples/several, as Debian's HAProxy runs it in front of managers on unix sockets."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unpacked import unpacked
from tests.until import wait_until

CONFIGURATION = Path(__file__).resolve().parents[1] / "examples" / "several" / "haproxy.cfg"


@contextmanager
def proxy(socket: Path, one: Path, two: Path) -> Iterator[None]:
    """Listening on `socket` in front of the two managers' sockets. Blocking."""
    places = {"LISTEN": socket, "ONE": one, "TWO": two}
    environment = os.environ | {f"GENVM_PROXY_{name}": f"unix@{path}" for name, path in places.items()}
    program = [unpacked("haproxy"), "-db", "-f", str(CONFIGURATION)]
    with socket.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(program, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: socket.exists() or process.poll() is not None)
        assert process.poll() is None, socket.with_suffix(".log").read_text("utf-8")
        yield
    finally:
        process.terminate()
        process.wait()

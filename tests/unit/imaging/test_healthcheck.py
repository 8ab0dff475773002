"""The manager image's health check: what the engine runs to see whether the manager answers."""

from __future__ import annotations

import os
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "images" / "manager" / "healthcheck.py"


def answering(status: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "local"

    return Handler


@contextmanager
def served(server: socketserver.BaseServer) -> Iterator[None]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def check(**settings: str) -> int:
    environment = {**os.environ, **settings}
    return subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, check=False
    ).returncode


@pytest.mark.parametrize(("status", "verdict"), [(200, 0), (503, 1)])
def test_only_a_200_is_healthy(status: int, verdict: int) -> None:
    server = HTTPServer(("127.0.0.1", 0), answering(status))
    with served(server):
        assert check(GENVM_PORT=str(server.server_address[1])) == verdict


def test_a_manager_on_a_unix_socket_is_asked_there() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/manager.sock"
        with served(socketserver.UnixStreamServer(path, answering(200))):
            assert check(GENVM_SOCKET=path) == 0


def test_silence_is_unhealthy(tmp_path: Path) -> None:
    assert check(GENVM_SOCKET=str(tmp_path / "absent.sock")) == 1

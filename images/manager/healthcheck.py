"""Exit 0 when the manager answers `GET /healthz`, which never depends on load."""

from __future__ import annotations

import http.client
import os
import socket
import sys


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection(timeout: float) -> http.client.HTTPConnection:
    """Where this manager listens, by the same settings that it reads itself."""
    path = os.environ.get("GENVM_SOCKET")
    if path:
        return UnixConnection(path, timeout)
    return http.client.HTTPConnection("127.0.0.1", int(os.environ.get("GENVM_PORT", "3999")), timeout=timeout)


def main() -> int:
    asking = connection(timeout=4.0)
    try:
        asking.request("GET", "/healthz")
        status = asking.getresponse().status
    except OSError as error:
        print(f"no answer: {error}", file=sys.stderr)
        return 1
    finally:
        asking.close()
    print(status)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())

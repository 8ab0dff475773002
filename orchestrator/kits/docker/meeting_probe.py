"""Runs inside the doctor's container: connects to the manager as an instance does, and prints what it met.

A program of its own, on nothing but Python's standard library.
"""

from __future__ import annotations

import json
import os
import socket


def met() -> str:
    """Empty when somebody answers there, else the error."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(10)
        try:
            sock.connect(os.environ["GENVM_CONTROL"])
        except OSError as error:
            return os.strerror(error.errno or 0)
    return ""


if __name__ == "__main__":
    print(json.dumps({"error": met()}))

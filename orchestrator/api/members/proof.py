"""What one manager says to another is signed with the secret of all of them, which never travels."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.api.times import DEFAULT_API_TIMES

HEADER = "Genvm-Passed-On"
LEAST_BYTES = 16


class BadSecret(Exception):
    """The managers' secret cannot be used; the text says why, and nothing of what is in the file."""


def read_secret(file: Path) -> bytes:
    """Blocking. Raises BadSecret."""
    try:
        secret = file.read_bytes().strip()
    except OSError as error:
        raise BadSecret(f"GENVM_CLUSTER_SECRET_FILE {file}: {error.strerror}") from error
    if len(secret) < LEAST_BYTES:
        raise BadSecret(f"GENVM_CLUSTER_SECRET_FILE {file}: fewer than {LEAST_BYTES} bytes")
    return secret


class Proof:
    """Signs and checks method and target of a request, and the moment, which is `window` seconds away at
    most."""

    def __init__(
        self,
        secret: bytes,
        now: Callable[[], float] = time.time,
        window: float = DEFAULT_API_TIMES.member_clock,
    ) -> None:
        self._secret = secret
        self._now = now
        self._window = window

    def of(self, method: str, target: str) -> str:
        at = str(int(self._now()))
        return f"{at}:{self._sign(at, method, target)}"

    def holds(self, said: str, method: str, target: str) -> bool:
        """Whether a manager with the same secret has said that, a short while ago."""
        at, _, signature = said.partition(":")
        if not (at.isascii() and at.isdecimal() and len(at) < 20):
            return False
        if abs(int(at) - self._now()) > self._window:
            return False
        return hmac.compare_digest(
            signature.encode("utf-8", "surrogateescape"), self._sign(at, method, target).encode()
        )

    def _sign(self, at: str, method: str, target: str) -> str:
        said = "\n".join((at, method, target)).encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()

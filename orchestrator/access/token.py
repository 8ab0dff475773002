"""Tokens, and what is kept of them. Pure.

A token is 256 random bits, so nobody finds it by trying: not at the door, and not from its hash. One round of
SHA-256 is then as good at rest as a slow password hash, and costs each request a microsecond instead of a
core for a tenth of a second.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from orchestrator.access.caller import Caller

PREFIX = "genvm_"
RANDOM_BYTES = 32
# Longer texts are none of ours; they are not even hashed.
LONGEST = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """Rates and quotas of one token; null: none. Bursts are what may come at once after a pause.

    `permits`: of its runs that are not over, those that wait included.
    """

    requests_per_second: float | None = None
    requests_burst: int | None = None
    bytes_per_second: float | None = None
    bytes_burst: int | None = None
    runs_per_minute: float | None = None
    runs_burst: int | None = None
    permits: int | None = None

    @property
    def any(self) -> bool:
        return self.any_runs or self.requests_per_second is not None or self.bytes_per_second is not None

    @property
    def any_runs(self) -> bool:
        return self.runs_per_minute is not None or self.permits is not None


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token: `digest` is the SHA-256 of its text."""

    caller: Caller
    digest: bytes
    limits: Limits = Limits()


def new_token() -> str:
    """A token's text. The prefix lets scanners of repositories and logs find one that got out."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

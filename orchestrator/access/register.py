"""The tokens in force, by the hash of their texts. Pure."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.access.bucket import Clock
from orchestrator.access.rates import Allowance
from orchestrator.access.token import LONGEST, Token, digest_of


@dataclass(frozen=True, slots=True)
class Known:
    """A token in force; `allowance` is null for one without rates."""

    token: Token
    allowance: Allowance | None


class Register:
    """Finds tokens by their texts. `changed` are called after tokens were put in or taken out."""

    def __init__(self, tokens: Iterable[Token], clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._known = self._made(tokens, {})
        self.changed: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._known)

    def find(self, text: str) -> Known | None:
        """The token with that text.

        The table is searched by the hash: how long that takes says something about a hash, which nobody can
        choose to a purpose. What was found is compared whole, in a time that depends on nothing.
        """
        if len(text) > LONGEST:
            return None
        digest = digest_of(text)
        known = self._known.get(digest)
        return known if known is not None and hmac.compare_digest(known.token.digest, digest) else None

    def holds(self, known: Known) -> bool:
        """Whether a token that was found earlier is in force still, as it was."""
        now = self._known.get(known.token.digest)
        return now is not None and now.token == known.token

    def replace(self, tokens: Iterable[Token]) -> bool:
        """From now on these tokens; whether that changes anything.

        Those that stay as they are keep what they have used of their rates, and all what their runs have.
        """
        fresh = self._made(tokens, self._known)
        before, self._known = self._known, fresh
        if {known.token for known in before.values()} == {known.token for known in fresh.values()}:
            return False
        for told in self.changed:
            told()
        return True

    def _made(self, tokens: Iterable[Token], before: dict[bytes, Known]) -> dict[bytes, Known]:
        return {token.digest: Known(token, self._allowance(token, before)) for token in tokens}

    def _allowance(self, token: Token, before: dict[bytes, Known]) -> Allowance | None:
        old = before.get(token.digest)
        if old is not None and old.token.limits == token.limits:
            return old.allowance
        former = None if old is None else old.allowance
        return Allowance(token.limits, self._clock, former) if token.limits.any else None

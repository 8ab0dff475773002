"""Trying the same candidate again, when the operator asks for it (modules 2.8)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from genvm_llm.failures import Kind, ProviderFailed
from genvm_llm.timeouts import TimeoutMalformed, seconds
from genvm_module.contract import ConfigurationRefused

LONGEST_WAIT = 30.0
PASSING = frozenset(
    {Kind.NETWORK_ERROR, Kind.RATE_LIMIT, Kind.GATEWAY_TIMEOUT, Kind.SERVER_OVERLOADED, Kind.UNPARSABLE}
)
"""Failures that may be gone a moment later. A timeout is not: the time is spent."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often one candidate is tried, the first wait and the longest in seconds. By default once."""

    attempts: int = 1
    wait: float = 0.5
    kinds: frozenset[Kind] = PASSING
    longest_wait: float = LONGEST_WAIT

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The first success. Raises what the last attempt raised."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.attempts),
            retry=retry_if_exception(self._passing),
            wait=self._wait,
            reraise=True,
        )
        return await retrying(attempt)

    def _passing(self, error: BaseException) -> bool:
        """Whoever asks for more time than that is left alone: the next candidate is there now."""
        if not isinstance(error, ProviderFailed) or error.kind not in self.kinds:
            return False
        return error.retry_after is None or error.retry_after <= self.longest_wait

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, ProviderFailed) and error.retry_after is not None:
            return error.retry_after
        return wait_random_exponential(multiplier=self.wait, max=self.longest_wait)(state)


def read_retry(raw: object) -> Retry:
    """`{attempts, wait, longest_wait, kinds}`, all optional. Raises ConfigurationRefused."""
    if raw is None:
        return Retry()
    if not isinstance(raw, Mapping):
        raise ConfigurationRefused("retry must be a map")
    attempts, kinds = raw.get("attempts", 1), raw.get("kinds")
    if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 10:
        raise ConfigurationRefused("retry.attempts must be a whole number from 1 to 10")
    try:
        wait, longest = seconds(raw.get("wait")), seconds(raw.get("longest_wait"))
        chosen = PASSING if kinds is None else frozenset(Kind(kind) for kind in kinds)
    except TimeoutMalformed as error:
        raise ConfigurationRefused(f"retry: {error}") from None
    except (TypeError, ValueError):
        raise ConfigurationRefused(
            f"retry.kinds must be a list of {', '.join(kind.value for kind in Kind)}"
        ) from None
    return Retry(
        attempts, 0.5 if wait is None else wait, chosen, LONGEST_WAIT if longest is None else longest
    )

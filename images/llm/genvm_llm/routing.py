"""Which models are asked for a prompt, in which order, and until when (modules 2.8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
import structlog

from genvm_llm.answers import Undecided
from genvm_llm.backends import Backend, Completion
from genvm_llm.configuration import Config
from genvm_llm.failures import ProviderFailed
from genvm_llm.ledger import Ledger
from genvm_llm.models import Model
from genvm_llm.prompt import Format, Prompt
from genvm_llm.workshop import Workshop
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    backend: Backend
    model: Model

    @property
    def name(self) -> str:
        return f"{self.backend.config.id}/{self.model.name}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that failed."""

    candidate: Candidate
    error: ProviderFailed

    def told(self) -> dict[str, Encodable]:
        status = self.error.status
        return {
            "backend": self.candidate.backend.config.id,
            "model": self.candidate.model.name,
            "kind": self.error.kind.value,
            "cause": self.error.causes[0],
            **({} if status is None else {"status": status}),
        }


@dataclass(slots=True)
class Desk:
    """What a policy may do in one session: look at candidates and ask them."""

    config: Config
    backends: Mapping[str, Backend]
    http: aiohttp.ClientSession
    workshop: Workshop
    ledger: Ledger = field(default_factory=Ledger)

    def candidates(self, form: Format, images: bool) -> list[Candidate]:
        """All that fit: priority falling, then backend id falling, then model name; failing ones last."""
        fitting = [
            Candidate(backend, model)
            for _, backend in sorted(self.backends.items(), reverse=True)
            for model in backend.config.models
            if (model.supports_json or form == "text") and (model.supports_image or not images)
        ]
        fitting.sort(key=lambda one: (one.backend.failing, -one.backend.config.priority))
        return fitting

    def candidate(self, backend: str, model: str | None = None) -> Candidate | None:
        """A named one; without `model` the backend's first."""
        chosen = self.backends.get(backend)
        if chosen is None:
            return None
        found = chosen.model(model) if model is not None else next(iter(chosen.config.models), None)
        return Candidate(chosen, found) if found else None

    async def first_success(
        self, candidates: Iterable[Candidate], prompt: Prompt, form: Format, *, fallback: bool = False
    ) -> Completion:
        """The first good answer; see `first_of`."""
        return await self.first_of(((one, prompt) for one in candidates), form, fallback=fallback)

    async def first_of(
        self, asked: Iterable[tuple[Candidate, Prompt]], form: Format, *, fallback: bool = False
    ) -> Completion:
        """The first good answer, each candidate asked its own prompt.

        Raises ModuleError NO_PROVIDER_FOR_PROMPT, fatal, when there is none. A decision that the last of
        them leaves open is false.
        """
        failed: list[Attempt] = []
        for candidate, prompt in asked:
            try:
                return await self.ask(candidate, prompt, form, fallback=fallback or bool(failed))
            except ProviderFailed as error:
                failed.append(Attempt(candidate, error))
                log.info("attempt_failed", **failed[-1].told())
        return without_success(failed)

    async def ask(
        self, candidate: Candidate, prompt: Prompt, form: Format, *, fallback: bool = False
    ) -> Completion:
        """One candidate, tried again as the configuration's `retry` says. Raises ProviderFailed.

        `fallback`: another has failed before it.
        """
        model, backend = candidate.model, candidate.backend
        timeout = _first(prompt.timeout, model.timeout, backend.config.timeout, self.config.timeout)
        prompt = model.shaped(prompt)

        async def attempt() -> Completion:
            return await backend.ask(model, prompt, form, timeout, self.ledger)

        completion = await self.config.retry.run(attempt)
        backend.totals[model.name].fallbacks += fallback
        return completion


def without_success(failed: Sequence[Attempt]) -> Completion:
    """What is left when no attempt was good: false, if the last of them left a decision open.

    Raises ModuleError NO_PROVIDER_FOR_PROMPT, fatal, otherwise.
    """
    told: list[Encodable] = [attempt.told() for attempt in failed]
    last = failed[-1] if failed else None
    if last is not None and isinstance(last.error, Undecided):
        log.error("decision_left_open", attempts=told)
        return Completion(False, last.candidate.backend.config.id, last.candidate.model.name)
    raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx={"attempts": told})


def _first(*timeouts: float | None) -> float:
    return next(timeout for timeout in timeouts if timeout is not None)

"""The configured backends at work: one attempt at one model, counted, bounded in time and number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import aiohttp
import structlog

from genvm_llm.answers import Answer
from genvm_llm.configuration import BackendConfig
from genvm_llm.failures import PROVIDER_FAULTS, Kind, ProviderFailed
from genvm_llm.ledger import Ledger
from genvm_llm.merging import MergeRefused
from genvm_llm.models import Model
from genvm_llm.pictures import beside
from genvm_llm.posting import body_limit, post
from genvm_llm.prompt import Format, Prompt
from genvm_llm.providers import PROVIDERS
from genvm_llm.reading import read_reply
from genvm_llm.usage import ModelTotals, Usage
from genvm_llm.workshop import Workshop
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable

BREAKER_FAILURES = 3
BREAKER_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer and what it cost; `gen` in gen wei. `finish`: the provider's word for why it ended."""

    answer: Answer
    backend: str
    model: str
    usage: Usage = field(default_factory=Usage)
    gen: int = 0
    finish: str = ""


@dataclass(slots=True)
class Backend:
    """One backend. After three faults in a row it is `failing` for half a minute: others are asked first."""

    config: BackendConfig
    http: aiohttp.ClientSession
    workshop: Workshop
    totals: dict[str, ModelTotals] = field(default_factory=dict)
    waiting: int = 0
    _slots: asyncio.Semaphore = field(init=False)
    _faults: int = 0
    _failing_until: float = 0.0

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.config.max_concurrent)

    @property
    def failing(self) -> bool:
        return time.monotonic() < self._failing_until

    def model(self, name: str) -> Model | None:
        return next((model for model in self.config.models if model.name == name), None)

    async def ask(
        self, model: Model, prompt: Prompt, form: Format, timeout: float, ledger: Ledger
    ) -> Completion:
        """One attempt, waiting for a slot included. Raises ProviderFailed; ModuleError for what no other
        candidate can mend.
        """
        totals = self.totals.setdefault(model.name, ModelTotals())
        started = time.monotonic()
        try:
            completion = await self._attempt(model, prompt, form, timeout, ledger)
        except ProviderFailed as error:
            totals.failed(error.kind.value)
            self._failed(error.kind)
            raise
        finally:
            totals.calls += 1
            totals.milliseconds += round((time.monotonic() - started) * 1000)
        self._faults = 0
        return completion

    async def _attempt(
        self, model: Model, prompt: Prompt, form: Format, timeout: float, ledger: Ledger
    ) -> Completion:
        calling = False
        try:
            async with asyncio.timeout(timeout):
                self.waiting += 1
                try:
                    await self._slots.acquire()
                finally:
                    self.waiting -= 1
                calling = True
                try:
                    return await self._call(model, prompt, form, ledger)
                finally:
                    self._slots.release()
        except TimeoutError:
            text = f"no answer within {timeout:g} s" if calling else f"no free slot within {timeout:g} s"
            raise ProviderFailed(
                "SENDING_REQUEST",
                Kind.TIMEOUT if calling else Kind.BUSY,
                ctx={"url": self.config.address, "rust_error": text},
            ) from None

    async def _call(self, model: Model, prompt: Prompt, form: Format, ledger: Ledger) -> Completion:
        provider = PROVIDERS[self.config.provider]
        if prompt.extra and not provider.takes_extra:
            log.warning("extra_ignored", backend=self.config.id, provider=self.config.provider)
        try:
            making = partial(provider.call, prompt, form, model.name, self.config.key)
            call = await beside(prompt.images, making)
        except MergeRefused as error:
            raise ModuleError("EXTRA_REFUSED", fatal=True, ctx={"rust_error": str(error)}) from None
        started = time.monotonic()
        try:
            posted = await post(
                self.http,
                self.config.address,
                call,
                self.config.key,
                body_limit(prompt.max_tokens),
                proxy=self.config.proxy,
                images=prompt.images,
            )
        finally:
            ledger.call(time.monotonic() - started)
        read = await read_reply(self.workshop, posted, self.config.provider, form, self.config.key)
        # Before the answer is looked at: the provider has been paid for it whatever it is worth.
        self._count(model, read.usage, len(prompt.images), ledger)
        gen = _gen(model, read.usage)
        return Completion(read.answer(), self.config.id, model.name, read.usage, gen, read.finish)

    def _count(self, model: Model, usage: Usage, images: int, ledger: Ledger) -> None:
        self.totals[model.name].add(usage, images)
        ledger.success(self.config.id, model.name, usage, images)
        ledger.gen += _gen(model, usage)

    def _failed(self, kind: Kind) -> None:
        if kind not in PROVIDER_FAULTS:
            return
        self._faults += 1
        if self._faults >= BREAKER_FAILURES:
            self._failing_until = time.monotonic() + BREAKER_SECONDS
            log.warning("backend_failing", backend=self.config.id, failures=self._faults, kind=kind.value)

    def counters(self) -> dict[str, Encodable]:
        return {name: totals.counters() for name, totals in self.totals.items()}


def _gen(model: Model, usage: Usage) -> int:
    return usage.input * model.gen_per_input_token + usage.output * model.gen_per_output_token


def assemble(
    configs: Iterable[BackendConfig], http: aiohttp.ClientSession, workshop: Workshop
) -> dict[str, Backend]:
    """By id."""
    return {config.id: Backend(config, http, workshop) for config in configs}

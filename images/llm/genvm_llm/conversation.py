"""One session of the llm module."""

from __future__ import annotations

import asyncio
import time

import structlog

from genvm_llm.answers import data_of
from genvm_llm.budget import EXHAUSTED, Allowance, allowance
from genvm_llm.comparisons import BeyondComparison
from genvm_llm.policies.policy import Policy
from genvm_llm.requests import read_request
from genvm_llm.routing import Desk
from genvm_llm.tasks import task_of
from genvm_module.contract import Caller, Terms
from genvm_module.errors import ModuleError
from genvm_wire.calldata import Encodable, Value

log = structlog.get_logger(__name__)


class LlmConversation:
    """See `genvm_module.contract.Conversation`."""

    def __init__(self, caller: Caller, terms: Terms, policy: Policy, desk: Desk) -> None:
        self._caller = caller
        self._terms = terms
        self._policy = policy
        self._desk = desk
        self._charged = 0

    async def answer(self, request: Value) -> Encodable:
        asked = read_request(request)
        granted = self._allowance(asked.remaining_fuel)
        if granted.exhausted:
            log.info("budget_exhausted")
            return {"consumed_gen": EXHAUSTED, "data": ""}
        try:
            task = await task_of(asked, self._desk.config, self._desk.workshop, self._caller)
        except BeyondComparison:
            log.warning("leaders_text_too_long", most_bytes=self._desk.config.max_comparison_bytes)
            return {"consumed_gen": 0, "data": False}
        spent_before, began = self._desk.ledger.gen, time.monotonic()
        try:
            async with asyncio.timeout(granted.seconds):
                completion = await self._policy.answer(task, self._desk)
        except TimeoutError:
            text = f"the run's budget pays for {granted.seconds} s"
            raise ModuleError("NO_PROVIDER_FOR_PROMPT", fatal=True, ctx={"rust_error": text}) from None
        # What failed attempts have cost is part of the price.
        consumed = self._desk.ledger.gen - spent_before
        self._charged += consumed
        log.info(
            "prompt_answered",
            kind=task.kind,
            format=task.form,
            backend=completion.backend,
            model=completion.model,
            finish=completion.finish,
            seconds=round(time.monotonic() - began, 3),
            usage=[completion.usage.input, completion.usage.output, completion.usage.total],
        )
        return {"consumed_gen": consumed, "data": data_of(completion.answer, self._terms.transport)}

    def _allowance(self, remaining_fuel: int) -> Allowance:
        units = self._caller.initial_time_units_allocation
        return allowance(self._caller.gas_data, remaining_fuel, units, self._charged)

    def statistics(self) -> dict[str, Encodable]:
        return self._desk.ledger.statistics()

    async def close(self) -> None:
        """Nothing of a session's own to close."""

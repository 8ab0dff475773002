"""The llm module: a configuration at work (docs/llm.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import aiohttp
import structlog

from genvm_llm import VERSION
from genvm_llm.backends import Backend, assemble
from genvm_llm.configuration import Config, default_config, read_config
from genvm_llm.conversation import LlmConversation
from genvm_llm.policies.default import DefaultPolicy
from genvm_llm.policies.operator import OperatorPolicy
from genvm_llm.policies.policy import Policy
from genvm_llm.policies.studio import StudioPolicy
from genvm_llm.posting import http_session
from genvm_llm.routing import Desk
from genvm_llm.workshop import Workshop
from genvm_module.contract import Caller, Health, Terms
from genvm_module.logs import REDACTOR
from genvm_wire.calldata import Encodable

log = structlog.get_logger(__name__)


class LlmModule:
    """See `genvm_module.contract.Module`."""

    name = "llm"
    version = VERSION

    async def configure(self, config: Mapping[str, object], *, allow_empty_backends: bool) -> LlmService:
        """An empty map, as for a node that posted none, means the image's default file."""
        if not config:
            config = await asyncio.to_thread(default_config)
        # Off the loop, because the default templates are read from disk.
        settings = await asyncio.to_thread(read_config, config, allow_empty_backends=allow_empty_backends)
        REDACTOR.learn(backend.key for backend in settings.backends.values())
        policy = await _policy(settings)
        log.info("backends", ids=sorted(settings.backends), policy=settings.policy)
        return LlmService(settings, policy, http_session(settings.ways.tls))


async def _policy(config: Config) -> Policy:
    """Raises ConfigurationRefused for an operator's file that cannot be used."""
    if config.policy_source is None and config.policy == "default":
        return DefaultPolicy()
    if config.policy_source is None and config.policy == "studio":
        return StudioPolicy()
    return await OperatorPolicy.start(config.policy, config.policy_source)


class LlmService:
    """See `genvm_module.contract.Service`."""

    def __init__(self, config: Config, policy: Policy, http: aiohttp.ClientSession) -> None:
        self._config = config
        self._policy = policy
        self._http = http
        self._workshop = Workshop()
        self._backends: dict[str, Backend] = assemble(config.backends.values(), http, self._workshop)

    @property
    def notes(self) -> Sequence[str]:
        return self._config.notes

    def open(self, caller: Caller, terms: Terms) -> LlmConversation:
        desk = Desk(self._config, self._backends, self._http, self._workshop)
        return LlmConversation(caller, terms, self._policy, desk)

    def health(self) -> Health:
        failing = sorted(name for name, backend in self._backends.items() if backend.failing)
        texts: dict[str, Encodable] = {
            "handed_over": self._workshop.handed_over,
            "failed": self._workshop.failed,
        }
        usable = not self._backends or len(failing) < len(self._backends)
        counters: dict[str, Encodable] = {
            name: {"waiting": backend.waiting, "models": backend.counters()}
            for name, backend in self._backends.items()
        }
        return Health(
            usable,
            f"failing: {', '.join(failing)}" if failing else "",
            {"backends": counters, "texts": texts},
        )

    async def close(self) -> None:
        await self._policy.close()
        await self._workshop.close()
        await self._http.close()

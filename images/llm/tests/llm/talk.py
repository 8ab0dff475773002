"""A configured module and a session with it, without a transport."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from genvm_llm.service import LlmModule, LlmService
from genvm_module.contract import Caller, Terms, Transport
from genvm_wire.calldata import Value

KEY = "sk-very-secret-key-7Xq"
HOST_DATA: dict[str, Value] = {"node_address": "0x01", "tx_id": "0x02"}


def backend(
    url: str, provider: str = "openai-compatible", priority: float = 0, **model: Any
) -> dict[str, Any]:
    """A backend with one model `m` that can do everything unless told otherwise."""
    capabilities = {"supports_json": True, "supports_image": True}
    return {
        "host": url,
        "provider": provider,
        "key": KEY,
        "meta": {"priority": priority},
        "models": {"m": {**capabilities, **model}},
    }


@asynccontextmanager
async def configured(config: Mapping[str, Any], *, empty: bool = False) -> AsyncIterator[LlmService]:
    service = await LlmModule().configure(config, allow_empty_backends=empty)
    try:
        yield service
    finally:
        await service.close()


class Talk:
    """One session."""

    def __init__(self, service: LlmService, transport: Transport = "S", **caller: Any) -> None:
        host_data = {**HOST_DATA, **caller.pop("host_data", {})}
        self.conversation = service.open(Caller(7, "Leader", host_data, **caller), Terms(transport))

    async def prompt(
        self, text: str = "2+2?", form: str = "text", images: list[Value] | None = None, fuel: int = 0
    ) -> Any:
        payload: Value = {"prompt": text, "response_format": form, "images": images or []}
        answer = await self.conversation.answer(
            {"Prompt": {"payload": payload, "remaining_fuel_as_gen": fuel}}
        )
        assert isinstance(answer, dict)
        return answer["data"] if set(answer) == {"data", "consumed_gen"} and fuel == 0 else answer

    async def template(self, kind: str, **values: str) -> Any:
        payload: Value = {"template": kind, **values}
        request: Value = {"PromptTemplate": {"payload": payload, "remaining_fuel_as_gen": 0}}
        answer = await self.conversation.answer(request)
        assert isinstance(answer, dict)
        return answer["data"]

    async def compare(self, leader: str = "a", validator: str = "b", principle: str = "p") -> Any:
        return await self.template(
            "EqComparative", leader_answer=leader, validator_answer=validator, principle=principle
        )


@asynccontextmanager
async def talking(*backends: dict[str, Any], **config: Any) -> AsyncIterator[Talk]:
    """With backends `b0`, `b1`, … and further keys of the configuration."""
    caller = {key: config.pop(key) for key in ("host_data", "gas_data", "transport") if key in config}
    units = config.pop("initial_time_units_allocation", 0)
    whole = {"backends": {f"b{index}": one for index, one in enumerate(backends)}, **config}
    async with configured(whole, empty=not backends) as service:
        yield Talk(service, initial_time_units_allocation=units, **caller)

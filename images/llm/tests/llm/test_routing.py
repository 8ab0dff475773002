"""Who is asked, in which order, and until when (modules 2.8; behaviours 9–13, 25)."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import pytest

from genvm_llm.budget import Allowance, allowance
from genvm_module.errors import ModuleError
from tests.until import until

from .provider_server import ProviderServer, never, openai_reply, provider, raw
from .talk import Talk, backend, configured, talking


async def servers(stack: AsyncExitStack, *answers: Any) -> list[ProviderServer]:
    return [await stack.enter_async_context(provider(answer)) for answer in answers]


async def test_priorities_are_tried_once_each_from_the_highest() -> None:
    async with AsyncExitStack() as stack:
        low, high, middle = await servers(stack, openai_reply("low"), 503, 503)
        async with talking(
            backend(low.url, priority=-5), backend(high.url, priority=100), backend(middle.url, priority=0)
        ) as talk:
            assert await talk.prompt() == "low"
            assert [len(server.received) for server in (high, middle, low)] == [1, 1, 1]
            assert talk.conversation.statistics()["scripting"]["requests_count"] == 3  # type: ignore[index, call-overload]


async def test_equal_priorities_go_by_backend_id_falling() -> None:
    async with AsyncExitStack() as stack:
        first, second = await servers(stack, openai_reply("b0"), openai_reply("b1"))
        async with talking(backend(first.url), backend(second.url)) as talk:
            assert await talk.prompt() == "b1"


@pytest.mark.parametrize("refusal", [400, 401, 404, 500, pytest.param(raw(b"no json"), id="no JSON")])
async def test_every_provider_error_falls_through(refusal: Any) -> None:
    async with AsyncExitStack() as stack:
        bad, good = await servers(stack, refusal, openai_reply("good"))
        async with talking(backend(bad.url, priority=1), backend(good.url)) as talk:
            assert await talk.prompt() == "good"


async def test_json_never_reaches_a_model_that_does_not_support_it() -> None:
    async with AsyncExitStack() as stack:
        plain, able = await servers(stack, openai_reply("{}"), openai_reply('{"a":1}'))
        async with talking(backend(plain.url, priority=100, supports_json=False), backend(able.url)) as talk:
            assert await talk.prompt(form="json") == '{"a":1}'
            assert plain.received == []


async def test_an_answer_that_is_no_json_is_a_failed_attempt() -> None:
    async with AsyncExitStack() as stack:
        chatty, able = await servers(stack, openai_reply("Sure!"), openai_reply('{"a":1}'))
        async with talking(backend(chatty.url, priority=1), backend(able.url)) as talk:
            assert await talk.prompt(form="json") == '{"a":1}'


async def test_images_go_only_to_models_that_see() -> None:
    async with provider() as server, talking(backend(server.url, supports_image=False)) as talk:
        with pytest.raises(ModuleError, match="NO_PROVIDER_FOR_PROMPT"):
            await talk.prompt(images=[b"\xff\xd8\xff\xe0"])
        assert server.received == []


async def test_without_backends_prompts_fail_for_the_node_not_for_the_contract() -> None:
    async with talking() as talk:
        with pytest.raises(ModuleError) as failure:
            await talk.prompt()
        assert failure.value.fatal


async def test_the_nearest_timeout_counts() -> None:
    async with provider(never) as server:
        slow = {**backend(server.url, timeout="30ms"), "timeout": "80s"}
        async with talking(slow, timeout="90s") as talk:
            with pytest.raises(ModuleError):
                async with asyncio.timeout(60):
                    await talk.prompt()


async def test_a_passing_failure_is_tried_again_when_the_operator_wants_it() -> None:
    async with provider(429, 429, openai_reply("third")) as server:
        async with talking(backend(server.url), retry={"attempts": 3, "wait": 0}) as talk:
            assert await talk.prompt() == "third"


async def test_a_lasting_failure_is_not() -> None:
    async with provider(400, openai_reply()) as server:
        async with talking(backend(server.url), retry={"attempts": 3, "wait": 0}) as talk:
            with pytest.raises(ModuleError):
                await talk.prompt()
        assert len(server.received) == 1


async def test_calls_at_once_are_bounded_per_backend() -> None:
    gate = asyncio.Event()

    async def wait(request: Any) -> Any:
        await gate.wait()
        return await raw(json.dumps(openai_reply()).encode())(request)

    async with provider(wait) as server:
        async with talking({**backend(server.url), "max_concurrent": 2}) as talk:
            asking = [asyncio.ensure_future(talk.prompt()) for _ in range(6)]
            await until(lambda: server.at_once >= 2)
            gate.set()
            await asyncio.gather(*asking)
        assert (server.most_at_once, len(server.received)) == (2, 6)


async def test_a_backend_that_failed_thrice_is_asked_after_the_others() -> None:
    async with AsyncExitStack() as stack:
        bad, good = await servers(stack, 500, openai_reply("good"))
        async with talking(backend(bad.url, priority=1), backend(good.url)) as talk:
            for _ in range(5):
                assert await talk.prompt() == "good"
        assert len(bad.received) == 3


async def test_work_that_nobody_waits_for_any_more_is_dropped() -> None:
    async with provider(never) as server, talking(backend(server.url)) as talk:
        asking = asyncio.ensure_future(talk.prompt())
        await server.arrived.wait()
        asking.cancel()
        await server.dropped.wait()


BUDGETS: dict[str, tuple[dict[str, str], int, int, int, Allowance]] = {
    "no gas data": ({}, 0, 0, 0, Allowance()),
    "free time": ({"genPerTimeUnit": "0"}, 5, 0, 0, Allowance()),
    "half a second's worth": ({"genPerTimeUnit": "1000"}, 500, 0, 0, Allowance(exhausted=True)),
    "nothing left": ({"genPerTimeUnit": "1"}, 0, 0, 0, Allowance(exhausted=True)),
    "two units": ({"genPerTimeUnit": "10"}, 20, 0, 0, Allowance(seconds=3.0)),
    "forty units": ({"genPerTimeUnit": "1"}, 40, 0, 0, Allowance(seconds=60.0)),
    "plenty": ({"genPerTimeUnit": "1"}, 10**30, 0, 0, Allowance()),
    "limit reached": ({"genPerTimeUnit": "2"}, 10**30, 5, 10, Allowance(exhausted=True)),
    "limit not reached": ({"genPerTimeUnit": "2"}, 10**30, 5, 9, Allowance()),
}


@pytest.mark.parametrize(("gas", "fuel", "units", "charged", "expected"), BUDGETS.values(), ids=BUDGETS)
def test_budget(gas: dict[str, str], fuel: int, units: int, charged: int, expected: Allowance) -> None:
    assert allowance(gas, fuel, units, charged) == expected


async def test_an_exhausted_budget_is_answered_without_a_call() -> None:
    async with provider() as server:
        async with talking(backend(server.url), gas_data={"genPerTimeUnit": "1000"}) as talk:
            assert await talk.prompt(fuel=500) == {"consumed_gen": 2**256 - 1, "data": ""}
        assert server.received == []


async def test_tokens_with_a_price_use_up_the_spending_limit() -> None:
    async with provider() as server:
        priced = backend(server.url, gen_per_input_token=2, gen_per_output_token=10)
        async with talking(
            priced, gas_data={"genPerTimeUnit": "1"}, initial_time_units_allocation=72
        ) as talk:
            assert (await talk.prompt(fuel=10**20))["consumed_gen"] == 11 * 2 + 5 * 10
            assert (await talk.prompt(fuel=10**20))["consumed_gen"] == 2**256 - 1


async def test_what_each_model_did_is_counted_by_class_and_without_words() -> None:
    async with (
        provider(429, 503, openai_reply("late")) as shaky,
        provider(openai_reply("steady")) as steady,
        configured({"backends": {"b0": backend(steady.url), "b1": backend(shaky.url)}}) as service,
    ):
        for _ in range(3):
            await Talk(service).prompt("a secret prompt")
        backends: Any = service.health().counters["backends"]
        shaky_model, steady_model = backends["b1"]["models"]["m"], backends["b0"]["models"]["m"]
        assert shaky_model["failures"] == {"rate_limit": 1, "server_error": 1}
        assert (shaky_model["calls"], shaky_model["error_count"], shaky_model["fallbacks"]) == (3, 2, 0)
        assert (steady_model["calls"], steady_model["fallbacks"], steady_model["failures"]) == (2, 2, {})
        assert steady_model["total_tokens"] == 32
        assert "secret" not in str(service.health())

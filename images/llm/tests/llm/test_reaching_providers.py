"""Where providers are and how they are reached: addresses, waits, authorities, proxies (modules 2.6)."""

from __future__ import annotations

import datetime
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from genvm_llm.addresses import AddressRefused, address_of, url_of
from genvm_llm.check import check_one
from genvm_llm.configuration import read_config
from genvm_llm.retrying import Retry
from genvm_llm.waits import wait_in, wait_of
from genvm_llm.ways import CA_VARIABLE, PROXY_VARIABLE
from genvm_module.contract import ConfigurationRefused
from genvm_module.errors import ModuleError

from .provider_server import ProviderServer, openai_reply, provider, raw
from .talk import KEY, Talk, backend, configured, talking

X = "https://x.example"
ADDRESSES = {
    (X, None): X + "/v1",
    (X + "/", None): X + "/v1",
    (X + "/v1", None): X + "/v1",
    (X + "/v1/", None): X + "/v1",
    (X + ":8443/v1", None): X + ":8443/v1",
    ("https://api.groq.com/openai/v1", None): "https://api.groq.com/openai/v1",
    ("https://openrouter.ai/api", None): "https://openrouter.ai/api/v1",
    ("https://api.intelligence.io.solutions/api", None): "https://api.intelligence.io.solutions/api/v1",
    ("https://api.mor.org/api", None): "https://api.mor.org/api/v1",
    ("https://openrouter.ai/api/v1", None): "https://openrouter.ai/api/v1",
    (X, "/v1beta/openai"): X + "/v1beta/openai",
    (X + "/v1", "/v1beta/openai/"): X + "/v1beta/openai",
    (X + "/gateway", "/v2"): X + "/gateway/v2",
    ("http://127.0.0.1:1234", None): "http://127.0.0.1:1234/v1",
}
REFUSED = {
    X + "/openai": None,
    X + "/api": None,
    X + "/v1beta/openai": None,
    X + "/v1/chat/completions": None,
    X + "?a=b": None,
    X + "/v1?a=b": None,
    X + "#a": None,
    "x.example": None,
    "ftp://x.example": None,
    "https://": None,
    "https://x.example:port": None,
    "https://x.example" + "/" * 2048: None,
    X: "v1",
    X + "/": "/v1?key=k",
}


@pytest.mark.parametrize(("host", "api_path", "address"), [(*given, out) for given, out in ADDRESSES.items()])
def test_base_addresses(host: str, api_path: str | None, address: str) -> None:
    assert address_of(host, "/v1", api_path) == address
    config = read_config({"backends": {"b": {**backend(host), "api_path": api_path}}})
    assert config.backends["b"].address == address


@pytest.mark.parametrize(("host", "api_path"), REFUSED.items())
async def test_base_addresses_that_are_refused_at_start_and_by_a_check(
    host: str, api_path: str | None
) -> None:
    with pytest.raises(AddressRefused):
        address_of(host, "/v1", api_path)
    with pytest.raises(ConfigurationRefused, match=r"backends\.b\.host"):
        read_config({"backends": {"b": {**backend(host), "api_path": api_path}}})
    asked = {"host": host, "api_path": api_path, "provider": "openai-compatible", "model": "m", "key": KEY}
    with pytest.raises(ModuleError, match="CONFIG_UNUSABLE"):
        await check_one(asked, {"user_message": "?", "temperature": 0, "max_tokens": 1})


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai-compatible", "/door/chat/completions"),
        ("anthropic", "/door/messages"),
        ("google", "/door/models/m:generateContent"),
        ("ollama", "/door/generate"),
    ],
)
async def test_an_api_path_stands_in_front_of_every_call(name: str, path: str) -> None:
    async with provider() as server:
        async with talking({**backend(server.url, name), "api_path": "/door"}) as talk:
            with suppress(ModuleError):
                await talk.prompt()
        assert server.received[0].path == path


def test_an_api_path_may_be_the_whole_of_it() -> None:
    assert url_of(X + "/chat/completions", "/chat/completions") == X + "/chat/completions"


NOW = datetime.datetime(2026, 11, 28, 12, 0, 0, tzinfo=datetime.UTC)
WAITS = {
    "2": 2.0,
    "0": 0.0,
    "1.5": 1.5,
    ".25": 0.25,
    format_datetime(NOW + datetime.timedelta(seconds=7), usegmt=True): 7.0,
    format_datetime(NOW - datetime.timedelta(seconds=7), usegmt=True): 0.0,
    "Saturday, 28-Nov-26 12:00:09 GMT": 9.0,
    "-1": None,
    "nan": None,
    "inf": None,
    "soon": None,
    "": None,
}


@pytest.mark.parametrize(("said", "seconds"), WAITS.items())
def test_waits_that_providers_ask_for(said: str, seconds: float | None) -> None:
    assert wait_of(said, NOW.timestamp()) == seconds


def test_a_date_is_measured_from_the_answers_own() -> None:
    asked = format_datetime(NOW + datetime.timedelta(seconds=4), usegmt=True)
    assert wait_in({"Retry-After": asked, "Date": format_datetime(NOW, usegmt=True)}) == 4.0
    assert wait_in({"Retry-After-Ms": "250", "Retry-After": "9"}) == 0.25
    assert wait_in({}) is None


def limited(said: str, inside: bool = False) -> Any:
    """A rate limit that asks for a wait: in a header of a 429 or of a 200."""

    async def answer(_: web.Request) -> web.StreamResponse:
        body = {"error": {"code": 429, "message": "slow"}}
        return web.json_response(body, status=200 if inside else 429, headers={"Retry-After": said})

    return answer


INSIDE = {
    "metadata": {"code": 429, "metadata": {"headers": {"Retry-After": "900"}}},
    "Google's": {"code": 429, "details": [{"@type": "x/RetryInfo", "retryDelay": "900s"}]},
}


@pytest.mark.parametrize(
    "refusal",
    [
        limited("900"),
        limited("900.5"),
        limited("900", inside=True),
        raw(json.dumps({"error": INSIDE["Google's"]}).encode(), 429),
        *({"error": one} for one in INSIDE.values()),
    ],
    ids=["header", "fraction", "under 200", "in the body of a 429", *INSIDE],
)
async def test_who_asks_for_longer_than_allowed_is_left_for_the_next(refusal: Any) -> None:
    retry = {"attempts": 3, "wait": "0s", "longest_wait": "60s"}
    async with provider(refusal) as slow, provider(openai_reply("good")) as good:
        async with talking(backend(slow.url, priority=1), backend(good.url), retry=retry) as talk:
            assert await talk.prompt() == "good"
        assert len(slow.received) == 1


@pytest.mark.parametrize("inside", [False, True])
async def test_who_asks_for_a_moment_is_asked_again(inside: bool) -> None:
    async with provider(limited("0.0", inside), openai_reply("good")) as server:
        async with talking(backend(server.url), retry={"attempts": 2}) as talk:
            assert await talk.prompt() == "good"
        assert len(server.received) == 2


async def test_a_gateway_with_long_headers_is_no_fault() -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(openai_reply("good"), headers={"Content-Security-Policy": "a" * 20_000})

    async with provider(answer) as server, talking(backend(server.url)) as talk:
        assert await talk.prompt() == "good"


async def test_an_answer_is_kept_whatever_comes_behind_it() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        body = json.dumps(openai_reply("good")).encode()
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%bjunk" % (len(body), body))
        request.transport.close()
        return web.Response()

    async with provider(answer) as server, talking(backend(server.url)) as talk:
        assert await talk.prompt() == "good"


def test_the_longest_wait_is_thirty_seconds_unless_told() -> None:
    assert Retry().longest_wait == 30.0


@asynccontextmanager
async def behind_tls(server: ProviderServer, authority: trustme.CA) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    app = web.Application()
    app.router.add_post("/{tail:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def authority() -> Iterator[trustme.CA]:
    yield trustme.CA()


@pytest.mark.parametrize("how", ["nothing", "configuration", "environment"])
async def test_an_authority_of_the_operators_own(
    how: str, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = authority.cert_pem.bytes()
    config: dict[str, Any] = {"ca_bundle": pem.decode()} if how == "configuration" else {}
    if how == "environment":
        (tmp_path / "ca.pem").write_bytes(pem)
        monkeypatch.setenv(CA_VARIABLE, str(tmp_path / "ca.pem"))
    asked = {"provider": "openai-compatible", "model": "m", "key": KEY}
    async with behind_tls(ProviderServer(), authority) as url, talking(backend(url), **config) as talk:
        if how == "nothing":
            with pytest.raises(ModuleError):
                await talk.prompt()
        else:
            assert await talk.prompt() == "4"
        if how == "environment":
            prompt = {"user_message": "?", "temperature": 0, "max_tokens": 1}
            assert await check_one({"host": url, **asked}, prompt) == "4"


@pytest.mark.parametrize(
    "change",
    [{"ca_bundle": "no certificate"}, {"proxy": "socks5://x"}, {"proxy": "x:3128"}, {"proxy": "http://x/y"}],
    ids=str,
)
def test_authorities_and_proxies_that_are_none(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationRefused, match=next(iter(change))):
        read_config(change, allow_empty_backends=True)


def test_a_proxys_password_is_in_no_repr() -> None:
    own = {**backend(X), "proxy": "http://user:proxy-password@127.0.0.1:3128"}
    assert "proxy-password" not in repr(read_config({"proxy": own["proxy"], "backends": {"own": own}}))


async def test_a_proxy_gets_the_calls_unless_a_backend_goes_without(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://provider.invalid"
    async with provider() as proxy, provider(openai_reply("near")) as near:
        backends = {
            "far": backend(nowhere, priority=1),
            "near": {**backend(near.url), "proxy": "none"},
            "own": {**backend(nowhere), "proxy": "http://user:proxy-password@" + proxy.url[7:]},
        }
        async with configured({"policy": "studio", "proxy": proxy.url, "backends": backends}) as service:
            for name, answer in (("far", "4"), ("near", "near"), ("own", "4")):
                talk = Talk(service, host_data={"studio_llm_id": name})
                assert await talk.prompt() == answer
        assert [one.path for one in proxy.received] == ["/v1/chat/completions"] * 2
        assert proxy.received[1].headers["proxy-authorization"].startswith("Basic ")
        monkeypatch.setenv(PROXY_VARIABLE, proxy.url)
        asked = {"host": nowhere, "provider": "openai-compatible", "model": "m", "key": KEY}
        assert await check_one(asked, {"user_message": "?", "temperature": 0, "max_tokens": 1}) == "4"

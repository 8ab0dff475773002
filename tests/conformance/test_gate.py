"""The gate: no route answers a web page, by whatever name or address the page reached the manager."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.access.scope import Scope
from orchestrator.api.description import scope_needed
from orchestrator.api.host_names import AcceptedHosts, parse_authority
from orchestrator.settings import load_settings
from tests.integration.manager.conftest import Client, MakeClient, folder, make_client, runs_ever
from tests.raw_http import RawAnswer, exchange, request

__all__ = ["folder", "make_client"]

# What only the gate's own header may decide: everything else of the request is as node software sends it.
REFUSED: dict[str, tuple[int, tuple[str, ...]]] = {
    "foreign origin": (403, ("Host: {own}", "Origin: http://evil.example")),
    "foreign origin, https": (403, ("Host: {own}", "Origin: https://{own}")),
    "foreign port": (403, ("Host: {own}", "Origin: http://127.0.0.1:1")),
    "null origin": (403, ("Host: {own}", "Origin: null")),
    "empty origin": (403, ("Host: {own}", "Origin:")),
    "origin that is none": (403, ("Host: {own}", "Origin: http://[")),
    "own origin and another": (403, ("Host: {own}", "Origin: http://{own}", "Origin: http://evil.example")),
    "cross-site": (403, ("Host: {own}", "Sec-Fetch-Site: cross-site")),
    "same-site": (403, ("Host: {own}", "Sec-Fetch-Site: same-site")),
    "fetch metadata that is none": (403, ("Host: {own}", "Sec-Fetch-Site: ,")),
    "same-origin and cross-site": (
        403,
        ("Host: {own}", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
    ),
    "own origin, cross-site": (
        403,
        ("Host: {own}", "Origin: http://{own}", "Sec-Fetch-Site: cross-site"),
    ),
    "rebound name": (421, ("Host: evil.example:{port}",)),
    "rebound name, own origin": (
        421,
        ("Host: evil.example:{port}", "Origin: http://evil.example:{port}", "Sec-Fetch-Site: same-origin"),
    ),
}


@pytest.fixture
async def client(make_client: MakeClient) -> AsyncIterator[Client]:
    """A manager on loopback that, whatever comes, has written nothing down in the end."""
    client = await make_client(socket=None, port=0)
    yield client
    assert await runs_ever(client) == 0
    assert client.manager.executions.statistics().permits.maximum == 8


async def every_route(client: Client) -> list[tuple[str, str]]:
    """All that the document has and what is beside it, with every method that a browser can send."""
    document = (await client.ask("GET", "/openapi.json"))[1]
    described = {
        (method.upper(), re.sub(r"\{\w+\}", "1", path))
        for path, methods in document["paths"].items()
        for method in methods
    }
    pages = {"/docs", "/ui", "/ui/", "/ui/1"}
    paths = {path for _, path in described} | pages | {"/", "/nowhere", "//evil.example/status"}
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return sorted(described | {(method, path) for method in methods for path in paths} | {("OPTIONS", "*")})


async def send(client: Client, method: str, target: str, *headers: str, **options: Any) -> RawAnswer:
    own = client.address.removeprefix("http://")
    port = own.rpartition(":")[2]
    filled = (header.format(own=own, port=port) for header in headers)
    return await exchange(client.address, request(method, target, *filled, **options))


async def test_the_matrix_has_every_route_that_the_manager_serves(client: Client) -> None:
    served = {
        (route.method, re.sub(r"\{\w+\}", "1", route.resource.canonical))
        for route in client.manager.app.router.routes()
        if route.resource is not None
    }
    assert served <= set(await every_route(client))


@pytest.mark.parametrize("case", REFUSED)
async def test_no_route_and_no_method_answers_a_web_page(client: Client, case: str) -> None:
    status, headers = REFUSED[case]
    upgrade = ("Connection: Upgrade", "Upgrade: websocket")
    handshake = ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==")
    body = b'{"permits": 9}'
    for method, target in await every_route(client):
        more = (*upgrade, *handshake) if target == "/ws" else ("Content-Type: text/plain",)
        answer = await send(client, method, target, *headers, *more, body=body)
        assert answer.status == status, (method, target, answer)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["Connection"] == "close"
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        if method != "HEAD":
            assert answer.error


@pytest.mark.parametrize(
    "header", ["User-Agent: Mozilla/5.0 (X11; Linux x86_64)", "Sec-Fetch-Site: none"], ids=["unsaid", "typed"]
)
async def test_a_browser_that_names_no_page_of_ours_may_look_and_no_more(client: Client, header: str) -> None:
    """With GET a page's picture has no Origin, and beyond loopback no Sec-Fetch-Site."""
    for route in client.manager.app.router.routes():
        assert route.resource is not None
        target = re.sub(r"\{\w+\}", "1", route.resource.canonical)
        answer = await send(client, route.method, target, "Host: {own}", header)
        looks = Scope.READ.reaches(scope_needed(route.handler))
        assert (answer.status == 403) is not looks, (route.method, target, answer)
    assert (await send(client, "GET", "/genvm/%31", "Host: {own}", header)).status == 403
    own = ("User-Agent: Mozilla/5.0", "Sec-Fetch-Site: same-origin")
    assert (await send(client, "GET", "/genvm/1", "Host: {own}", *own)).status == 200


async def test_every_route_says_that_it_may_refuse_a_page(client: Client) -> None:
    document = (await client.ask("GET", "/openapi.json"))[1]
    silent = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if not {"403", "421"} <= set(operation["responses"])
    ]
    assert silent == []


@pytest.mark.parametrize("target", ["/status", "/docs", "/openapi.json", "/permits"])
@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"),
        ("Sec-Fetch-Site: same-origin", "Origin: http://{own}"),
    ],
    ids=["node software", "typed by the user", "page of our own"],
)
async def test_what_is_no_foreign_page_is_answered_without_a_permission(
    client: Client, target: str, headers: tuple[str, ...]
) -> None:
    answer = await send(client, "GET", target, "Host: {own}", *headers)
    assert answer.status == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


async def test_a_preflight_gets_no_permission_even_from_a_page_of_our_own(client: Client) -> None:
    asking = ("Access-Control-Request-Method: POST", "Access-Control-Request-Private-Network: true")
    answer = await send(client, "OPTIONS", "/genvm/run", "Host: {own}", "Origin: http://{own}", *asking)
    assert (answer.status, answer.error) == (404, "Not Found")
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_a_refusal_does_not_wait_for_the_body(client: Client, content_type: str) -> None:
    """Of any type that a page can send without asking first."""
    half = request("POST", "/genvm/run", "Host: evil.example", f"Content-Type: {content_type}")
    half = half.replace(b"Content-Length: 0", b"Content-Length: 100000000")
    assert (await exchange(client.address, half)).status == 421


ACCEPTED_HOSTS = (
    "127.0.0.1",
    "127.0.0.1:3999",
    "127.0.0.1.",
    "203.0.113.9:3999",
    "[::1]",
    "[::1]:3999",
    "[FE80::1%25eth0]:3999",
    "[::ffff:127.0.0.1]",
    "localhost",
    "LOCALHOST:3999",
    "localhost.",
    "manager",
    "genvm_manager:3999",
    "host.docker.internal:3999",
    "Host.Docker.Internal",
    "manager.genvm.svc",
    "manager.genvm.svc.cluster.local",
    "manager.genvm.svc.cluster.local.:3999",
    "genvm.example.org",
    "GenVM.Example.Org.:443",
    "one.of.example.net",
)
REFUSED_HOSTS = (
    "evil.example",
    "evil.example.",
    "EVIL.example:3999",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "evil.example.localhost",
    "host.docker.internal.evil.example",
    "svc.evil.example",
    "evil-svc.example",
    "evil.svc.cluster.local.example",
    "evil.cluster.local",
    "evil.genvm.example.org",
    "genvm.example.org.evil.example",
    "of.example.net",
    "xof.example.net",
    "0x7f.1",
    "127.1",
    "::1",
    "[::1",
    "[evil.example]",
    "localhost@evil.example",
    "evil.example@localhost",
    "evil.example#localhost",
    "evil.example/localhost",
    "evil.example\\localhost",
    "evil.example, localhost",
    "evil.example localhost",
    "localhost:3999:evil.example",
    "localhost:evil",
    ".svc",
    "evil..svc",
    ".",
    "%2Frun%2Fmanager.sock",
    "\xe9vil.example",
    "xn--vil-9la.example",
    "a" * 301,
    "",
)


@pytest.fixture
async def named(make_client: MakeClient) -> Client:
    """A manager that has been given names."""
    return await make_client(socket=None, port=0, allowed_hosts="genvm.example.org, *.of.example.net")


@pytest.mark.parametrize("host", ACCEPTED_HOSTS)
async def test_a_host_that_no_page_can_have_is_accepted(named: Client, host: str) -> None:
    assert (await send(named, "GET", "/healthz", f"Host: {host}")).status == 200
    assert (await send(named, "GET", "/healthz", f"host:{host}  ")).status == 200
    absolute = await send(named, "GET", f"http://{host}/healthz", f"Host: {host}")
    assert absolute.status == 200


@pytest.mark.parametrize("host", REFUSED_HOSTS)
async def test_a_host_that_a_page_could_have_is_misdirected(named: Client, host: str) -> None:
    answer = await send(named, "GET", "/healthz", f"Host: {host}")
    assert answer.status == 421, answer
    assert "Host" in answer.error or "GENVM_ALLOWED_HOSTS" in answer.error


@pytest.mark.parametrize(
    ("target", "headers", "version", "status"),
    [
        ("http://evil.example/healthz", ("Host: localhost",), "1.1", 421),
        ("http://localhost@evil.example/healthz", ("Host: localhost",), "1.1", 421),
        ("http://localhost/healthz", ("Host: evil.example",), "1.1", 421),
        ("http://localhost/healthz", ("Host: localhost",), "1.1", 200),
        ("//evil.example/healthz", ("Host: localhost",), "1.1", 404),
        ("/healthz", ("Host: localhost", "Host: evil.example"), "1.1", 400),
        ("/healthz", ("Host: evil.example", "Host: localhost"), "1.1", 400),
        ("/healthz", ("Host: localhost", "Host: localhost"), "1.1", 400),
        ("/healthz", (), "1.1", 400),
        ("/healthz", (), "1.0", 200),
        ("/healthz", ("Host: evil.example",), "1.0", 421),
        ("/healthz", ("Origin: http://evil.example",), "1.0", 403),
        ("/healthz", ("Host: localhost", "X-Forwarded-Host: evil.example"), "1.1", 200),
        ("/healthz", ("Host: evil.example", "X-Forwarded-Host: localhost"), "1.1", 421),
        ("/healthz", ("Host: evil.example", "Forwarded: host=localhost"), "1.1", 421),
    ],
)
async def test_a_target_that_names_a_host_and_strange_numbers_of_them(
    client: Client, target: str, headers: tuple[str, ...], version: str, status: int
) -> None:
    assert (await send(client, "GET", target, *headers, version=version)).status == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("unix", 200),
        ("manager", 200),
        ("2f72756e2f67656e766d2f6d616e616765722e736f636b", 200),  # the path in hex
        ("%2Frun%2Fgenvm%2Fmanager.sock", 200),
        ("%2frun%2fgenvm%2fmanager.sock", 200),
        ("", 200),
        ("evil.example", 421),  # a proxy before the socket that passes on what a browser said
    ],
)
async def test_what_clients_of_a_unix_socket_say_for_a_host(
    make_client: MakeClient, host: str, status: int
) -> None:
    client = await make_client()
    address = f"unix://{client.folder}/api.sock"
    assert (await exchange(address, request("GET", "/healthz", f"Host: {host}"))).status == status
    page = request("GET", "/healthz", f"Host: {host}", "Origin: http://evil.example")
    assert (await exchange(address, page)).status == (403 if status == 200 else 421)


LABELS = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


@given(
    st.lists(LABELS, min_size=2, max_size=5), st.sampled_from(["", "."]), st.sampled_from(["", ":", ":3999"])
)
def test_no_dotted_name_is_accepted_but_those_that_the_rule_has(
    labels: list[str], dot: str, port: str
) -> None:
    authority = parse_authority(".".join(labels) + dot + port)
    assert authority is not None
    by_rule = (
        [label.lower() for label in labels[-1:]] == ["svc"]
        or [label.lower() for label in labels[-3:]] == ["svc", "cluster", "local"]
        or [label.lower() for label in labels] == ["host", "docker", "internal"]
        or authority.is_literal
    )
    assert AcceptedHosts().accept(authority) is by_rule


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.example", ["a.example"]),
        (" a.example , *.b.example,", ["a.example", "*.b.example"]),
        ('["a.example", "b.example"]', ["a.example", "b.example"]),
        ("", []),
    ],
)
def test_the_setting_takes_commas_and_json(
    monkeypatch: pytest.MonkeyPatch, text: str, names: list[str]
) -> None:
    monkeypatch.setenv("GENVM_ALLOWED_HOSTS", text)
    assert load_settings().allowed_hosts == names


@pytest.mark.parametrize(
    "name", ["a.example:443", "http://a.example", "*", "*.", "a/b", "a b", "[::1]", "[1]"]
)
def test_the_setting_takes_names_only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("GENVM_ALLOWED_HOSTS", name)
    with pytest.raises(ValueError, match="allowed_hosts"):
        load_settings()

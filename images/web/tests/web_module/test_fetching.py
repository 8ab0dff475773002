"""modules 3.3, 3.5 and behaviours 29 to 34, 39: requests over real sockets."""

from __future__ import annotations

import asyncio
import errno
import gzip
import ssl
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from genvm_module.errors import ModuleError
from genvm_web.conversation import WebConversation
from genvm_web.http_failures import sending_failure
from genvm_web.network import ResolverDown
from web_module.conftest import Open
from web_module.networks import OTHER_PUBLIC, PUBLIC, SmallInternet
from web_module.requests_of import fetch, request
from web_module.sites import Canary, Site, raw_server


async def refusal(conversation: WebConversation, url: str, **more: Any) -> ModuleError:
    with pytest.raises(ModuleError) as refused:
        await fetch(conversation, url, **more)
    return refused.value


@pytest.mark.parametrize("status", [200, 204, 404, 500, 503])
async def test_every_status_is_an_answer(site: Site, opened: Open, status: int) -> None:
    site.page("/", b"", status)
    assert (await fetch(await opened(), "http://genvm-site.com/"))["status"] == status


async def test_bodies_are_bytes_both_ways(site: Site, opened: Open) -> None:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read(), headers={"X-Mixed-Case": "Value"})

    site.pages["/echo"] = echo
    answer = await fetch(await opened(), "http://genvm-site.com/echo", "POST", body=bytes.fromhex("deadbeef"))
    assert answer["body"] == bytes.fromhex("deadbeef")
    assert answer["headers"]["x-mixed-case"] == b"Value"
    assert all(name == name.lower() for name in answer["headers"])


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE", "OPTIONS", "PATCH", "PUT"])
async def test_every_method_goes_out_with_its_body(site: Site, opened: Open, method: str) -> None:
    await fetch(await opened(), "http://genvm-site.com/x?q=a%20b&c", method, body=b"body")
    (received,) = site.received
    assert (received.method, received.target, received.body) == (method, "/x?q=a%20b&c", b"body")


async def test_nothing_is_added_but_what_http_needs(site: Site, opened: Open) -> None:
    await fetch(await opened(), "http://genvm-site.com/", "POST", body=b"x", headers={"X-Own": b"1"})
    assert site.received[0].headers == {
        "host": "genvm-site.com",
        "x-own": "1",
        "user-agent": "genvm-web/0.1",
        "accept": "*/*",
        "accept-encoding": "gzip",
        "content-length": "1",
        "connection": "close",
    }


async def test_forged_headers_do_not_reach_the_site(site: Site, opened: Open) -> None:
    forged = {"Host": b"evil.com", "Content-Length": b"0", "GenLayer-Tx-Id": b"0xbad", "Proxy-X": b"1"}
    await fetch(await opened(), "http://genvm-site.com/", "POST", body=b"abc", headers=forged)
    headers = site.received[0].headers
    assert (headers["host"], headers["content-length"]) == ("genvm-site.com", "3")
    assert not {"genlayer-tx-id", "proxy-x"} & set(headers)


async def test_cookies_are_neither_shown_nor_kept(site: Site, opened: Open) -> None:
    site.page("/", "", Set_Cookie="a=b")
    conversation = await opened()
    assert "set-cookie" not in (await fetch(conversation, "http://genvm-site.com/"))["headers"]
    await fetch(conversation, "http://genvm-site.com/")
    assert "cookie" not in site.received[1].headers


async def test_a_body_within_the_limit_is_whole(site: Site, opened: Open) -> None:
    site.page("/", b"x" * 500)
    assert len((await fetch(await opened(), "http://genvm-site.com/", limit=1024))["body"]) == 500


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_body_beyond_the_executors_limit_is_for_the_contract(
    site: Site, opened: Open, compressed: bool
) -> None:
    body = gzip.compress(b"x" * 2000) if compressed else b"x" * 2000
    headers = {"Content_Encoding": "gzip"} if compressed else {}
    site.page("/", body, 200, **headers)
    error = await refusal(await opened(), "http://genvm-site.com/", limit=1024)
    assert (error.causes, error.fatal) == (["READING_BODY"], False)
    assert (error.ctx["status"], error.ctx["url"]) == (200, "http://genvm-site.com/")
    assert isinstance(error.ctx["headers"], dict)


@pytest.mark.parametrize("limit", [None, 1 << 20])
async def test_a_body_beyond_the_modules_own_limit_is_not(
    site: Site, opened: Open, limit: int | None
) -> None:
    site.page("/", b"x" * 2000)
    transport = "W" if limit is None else "S"
    conversation = await opened({"max_response_size": 1000}, transport=transport)
    error = await refusal(conversation, "http://genvm-site.com/", limit=limit)
    assert (error.causes, error.fatal) == (["READING_BODY"], True)


async def test_a_path_goes_out_as_nodes_write_it(site: Site, opened: Open) -> None:
    site.redirect("/^a", "b^?^")
    await fetch(await opened(), "http://genvm-site.com/^a")
    assert site.targets == ["/^a", "/b^?^"]


async def test_gzip_is_undone(site: Site, opened: Open) -> None:
    site.page("/", gzip.compress(b"plain"), Content_Encoding="gzip")
    answer = await fetch(await opened(), "http://genvm-site.com/")
    assert answer["body"] == b"plain"
    assert not {"content-encoding", "content-length"} & set(answer["headers"])


# Addresses


async def test_a_public_name_for_this_machine_is_refused(internet: SmallInternet, opened: Open) -> None:
    async with Canary().watching() as canary:
        internet.names["evil.com"] = ["127.0.0.1"]
        internet.servers["127.0.0.1", 80] = canary.port
        error = await refusal(await opened(), "http://evil.com/")
    assert (error.causes, error.fatal) == (["ADDRESS_FORBIDDEN"], False)
    assert set(error.ctx) == {"url", "rust_error"}
    assert (internet.dialled, canary.visits) == ([], [])


async def test_an_allow_listed_name_may_be_anywhere(
    site: Site, internet: SmallInternet, opened: Open
) -> None:
    internet.serve("inside.lan", {8080: site.port}, "10.0.0.7")
    answer = await fetch(await opened({"always_allow_hosts": ["inside.lan"]}), "http://inside.lan:8080/")
    assert (answer["status"], internet.dialled) == (404, [("10.0.0.7", 8080)])


async def test_of_a_mixed_name_only_the_public_address_is_dialled(
    site: Site, internet: SmallInternet, opened: Open
) -> None:
    internet.serve("mixed.com", {80: site.port}, "10.0.0.1", PUBLIC, "::1")
    assert (await fetch(await opened(), "http://mixed.com/"))["status"] == 404
    assert internet.dialled == [(PUBLIC, 80)]


async def test_a_name_is_looked_up_once_so_that_rebinding_has_no_effect(
    site: Site, internet: SmallInternet, opened: Open
) -> None:
    class Rebinding(SmallInternet):
        async def resolve(self, host: str):  # type: ignore[no-untyped-def]
            found = await super().resolve(host)
            self.names[host] = ["127.0.0.1"]
            return found

    internet.__class__ = Rebinding
    assert (await fetch(await opened(), "http://genvm-site.com/"))["status"] == 404
    assert (internet.lookups, internet.dialled) == (["genvm-site.com"], [(PUBLIC, 80)])
    assert (await refusal(await opened(), "http://genvm-site.com/")).causes == ["ADDRESS_FORBIDDEN"]


# Redirects


@pytest.mark.parametrize(
    ("location", "cause"),
    [
        ("http://127.0.0.1/", "ADDRESS_FORBIDDEN"),
        ("http://2130706433/", "ADDRESS_FORBIDDEN"),
        ("http://0x7f.0.0.1/", "ADDRESS_FORBIDDEN"),
        ("//0177.0.0.1/", "ADDRESS_FORBIDDEN"),
        ("http://[::1]/", "ADDRESS_FORBIDDEN"),
        ("http://[::ffff:169.254.169.254]/", "ADDRESS_FORBIDDEN"),
        ("http://169.254.169.254/latest/meta-data/", "ADDRESS_FORBIDDEN"),
        ("http://127.0.0.1:4444/render", "ADDRESS_FORBIDDEN"),
        ("http://8.8.8.8/", "TLD_FORBIDDEN"),
        ("http://localhost/", "TLD_FORBIDDEN"),
        ("http://metadata.google.internal/", "TLD_FORBIDDEN"),
        ("http://inward.com/", "ADDRESS_FORBIDDEN"),
        ("http://genvm-site.com:22/", "PORT_FORBIDDEN"),
        ("ftp://genvm-site.com/", "SCHEMA_FORBIDDEN"),
        ("file:///etc/passwd", "SCHEMA_FORBIDDEN"),
        ("data:text/plain,x", "SCHEMA_FORBIDDEN"),
        ("http://u:p@genvm-site.com/", "MALFORMED_URL"),
        ("http://[/", "MALFORMED_URL"),
    ],
)
async def test_a_redirect_is_judged_like_a_url(
    site: Site, internet: SmallInternet, opened: Open, location: str, cause: str
) -> None:
    internet.names["inward.com"] = ["192.168.1.1"]
    site.redirect("/", location)
    error = await refusal(await opened(), "http://genvm-site.com/")
    assert (error.causes, error.fatal) == ([cause], False)
    assert internet.dialled == [(PUBLIC, 80)]


async def test_ten_redirects_are_followed_and_no_more(site: Site, opened: Open) -> None:
    for number in range(11):
        site.redirect(f"/{number}", f"/{number + 1}")
    site.page("/11", "end")
    assert (await fetch(await opened(), "http://genvm-site.com/1"))["body"] == b"end"
    error = await refusal(await opened(), "http://genvm-site.com/0")
    assert (error.causes, error.fatal) == (["SENDING_REQUEST"], False)


@pytest.mark.parametrize(
    ("status", "method", "arrives"),
    [
        (301, "POST", ("GET", b"")),
        (302, "PUT", ("GET", b"")),
        (303, "DELETE", ("GET", b"")),
        (302, "HEAD", ("HEAD", b"")),
        (307, "POST", ("POST", b"body")),
        (308, "PATCH", ("PATCH", b"body")),
    ],
)
async def test_what_a_redirect_makes_of_a_request(
    site: Site, opened: Open, status: int, method: str, arrives: tuple[str, bytes]
) -> None:
    site.redirect("/", "/next", status)
    await fetch(
        await opened(), "http://genvm-site.com/", method, body=b"body", headers={"content-type": b"x/y"}
    )
    last = site.received[-1]
    assert (last.method, last.body) == arrives
    assert ("content-type" in last.headers) == bool(arrives[1])


async def test_another_origin_gets_no_credentials(site: Site, internet: SmallInternet, opened: Open) -> None:
    internet.serve("other.com", {80: site.port}, OTHER_PUBLIC)
    site.redirect("/same", "/there")
    site.redirect("/away", "http://other.com/there")
    private = {"Authorization": b"s", "Cookie": b"s", "Signature": b"s", "X-Kept": b"k"}
    for path in ("/same", "/away"):
        await fetch(await opened(), f"http://genvm-site.com{path}", headers=private)
    same, away = site.received[1], site.received[3]
    assert {"authorization", "cookie", "signature", "x-kept"} <= set(same.headers)
    assert {"authorization", "cookie", "signature"} & set(away.headers) == set()
    assert away.headers["x-kept"] == "k"


# TLS


async def _serve_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_tls_checks_the_name_not_the_address(
    trusted: None, authority: trustme.CA, internet: SmallInternet, opened: Open
) -> None:
    async with Site().serving(await _serve_tls(authority, "secure.com")) as secure:
        internet.serve("secure.com", {443: secure.port})
        internet.serve("impostor.com", {443: secure.port})
        assert (await fetch(await opened(), "https://secure.com/"))["status"] == 404
        assert secure.received[0].headers["host"] == "secure.com"
        error = await refusal(await opened(), "https://impostor.com/")
    assert (error.causes, error.fatal) == (["SENDING_REQUEST"], False)


async def test_an_unknown_authority_is_refused(
    authority: trustme.CA, internet: SmallInternet, opened: Open
) -> None:
    async with Site().serving(await _serve_tls(authority, "secure.com")) as secure:
        internet.serve("secure.com", {443: secure.port})
        error = await refusal(await opened(), "https://secure.com/")
    assert (error.causes, error.fatal) == (["SENDING_REQUEST"], False)
    assert secure.received == []


async def test_https_is_not_left_for_http(
    trusted: None, authority: trustme.CA, internet: SmallInternet, site: Site, opened: Open
) -> None:
    async with Site().serving(await _serve_tls(authority, "secure.com")) as secure:
        internet.serve("secure.com", {443: secure.port})
        secure.redirect("/", "http://genvm-site.com/")
        error = await refusal(await opened(), "https://secure.com/")
    assert (error.causes, error.fatal, site.received) == (["SENDING_REQUEST"], False, [])


# Failures


async def test_what_the_remote_does_is_for_the_contract(internet: SmallInternet, opened: Open) -> None:
    internet.names["refusing.com"] = [PUBLIC]
    conversation = await opened()
    for url in ("http://unknown.com/", "http://refusing.com/"):
        error = await refusal(conversation, url)
        assert (error.causes, error.fatal) == (["SENDING_REQUEST"], False), url
        assert set(error.ctx) == {"url", "rust_error"}


@pytest.mark.parametrize("answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"])
async def test_a_broken_answer_is_for_the_contract(
    internet: SmallInternet, opened: Open, answer: bytes
) -> None:
    async with raw_server(answer) as port:
        internet.serve("broken.com", {80: port})
        error = await refusal(await opened(), "http://broken.com/")
    assert (error.causes, error.fatal) == (["SENDING_REQUEST"], False)


async def test_a_body_that_is_cut_off_is_for_the_contract(internet: SmallInternet, opened: Open) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc") as port:
        internet.serve("cut.com", {80: port})
        error = await refusal(await opened(), "http://cut.com/")
    assert (error.causes, error.fatal, error.ctx["status"]) == (["READING_BODY"], False, 200)


async def test_a_body_that_breaks_is_for_the_contract_at_once(internet: SmallInternet, opened: Open) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with raw_server(head + b"zz\r\n", then_wait=True) as port:
        internet.serve("breaking.com", {80: port})
        error = await refusal(await opened(), "http://breaking.com/")
    assert (error.causes, error.fatal, error.ctx["status"]) == (["READING_BODY"], False, 200)


async def test_an_answer_is_kept_whatever_comes_behind_it(internet: SmallInternet, opened: Open) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef\r\n") as port:
        internet.serve("wordy.com", {80: port})
        assert (await fetch(await opened(), "http://wordy.com/"))["body"] == b"abc"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"])
async def test_a_site_that_keeps_silent_is_given_up(
    internet: SmallInternet, opened: Open, answer: bytes
) -> None:
    async with raw_server(answer, then_wait=True) as port:
        internet.serve("slow.com", {80: port})
        conversation = await opened({"answer_timeout": "200ms", "request_timeout": "400ms"})
        error = await refusal(conversation, "http://slow.com/")
    assert (error.causes, error.fatal) == (["SENDING_REQUEST"], False)


async def test_without_a_name_server_nothing_was_observed(internet: SmallInternet, opened: Open) -> None:
    internet.names["any.com"] = ResolverDown("looking up any.com failed")
    error = await refusal(await opened(), "http://any.com/")
    assert (error.causes, error.fatal) == (["SENDING_REQUEST"], True)


@pytest.mark.parametrize(
    ("number", "fatal"),
    [
        (errno.ENETUNREACH, True),
        (errno.EMFILE, True),
        (errno.ENOMEM, True),
        (errno.ECONNREFUSED, False),
        (errno.ECONNRESET, False),
        (errno.EHOSTUNREACH, False),
        (errno.ETIMEDOUT, False),
    ],
    ids=errno.errorcode.get,
)
def test_only_this_nodes_own_troubles_are_fatal(number: int, fatal: bool) -> None:
    for error in (OSError(number, "x"), _connector_error(number)):
        assert sending_failure("http://a.com/", error).fatal is fatal


def _connector_error(number: int) -> aiohttp.ClientConnectorError:
    key = aiohttp.client_reqrep.ConnectionKey("a.com", 80, False, True, None, None, None, "")
    return aiohttp.ClientConnectorError(key, OSError(number, "x"))


async def test_waiting_for_a_slot_in_vain_is_not_for_the_contract(
    internet: SmallInternet, opened: Open
) -> None:
    signing = asyncio.Event()

    async def never_signs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        signing.set()
        await reader.read()
        writer.close()

    signer = await asyncio.start_server(never_signs, "127.0.0.1", 0)
    internet.names["any.com"] = [PUBLIC]
    async with signer:
        # A signer's time is its own: the first request holds the slot for longer than the second waits.
        conversation = await opened(
            {
                "max_concurrent_requests": 1,
                "request_timeout": "200ms",
                "signer_url": f"http://127.0.0.1:{signer.sockets[0].getsockname()[1]}/",
            }
        )
        first = asyncio.ensure_future(conversation.answer(request("http://any.com/", sign=True)))
        await signing.wait()
        error = await refusal(conversation, "http://any.com/")
        assert not first.done()
        first.cancel()
        await asyncio.wait([first])
    assert (error.causes, error.fatal) == (["OVERLOADED"], True)
    assert internet.dialled == []


async def test_statistics_count_requests_and_their_time(site: Site, opened: Open) -> None:
    conversation = await opened()
    await fetch(conversation, "http://genvm-site.com/")
    assert await conversation.answer("GetStats") == conversation.statistics()
    scripting = conversation.statistics()["scripting"]
    assert isinstance(scripting, dict)
    assert scripting["requests_count"] == 1
    assert scripting["requests_time"] > 0


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (b"gzip, deflate, br, zstd", "gzip"),
        (b"br, zstd", "identity"),
        (b"*", "gzip"),
        (b"gzip;q=0, identity", "identity"),
        (b"identity", "identity"),
        (b"br;q=1.0, GZIP;q=0.8", "gzip"),
    ],
)
async def test_only_packing_that_can_be_undone_is_asked_for(
    site: Site, opened: Open, wanted: bytes, sent: str
) -> None:
    site.page("/", "x")
    await fetch(await opened(), "http://genvm-site.com/", headers={"Accept-Encoding": wanted})
    assert site.received[0].headers["accept-encoding"] == sent


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, br", "nonsense"])
async def test_packed_bytes_are_never_an_answer(site: Site, opened: Open, encoding: str) -> None:
    site.page("/", b"\x1b\x00\x00", Content_Encoding=encoding)
    with pytest.raises(ModuleError) as failed:
        await fetch(await opened(), "http://genvm-site.com/")
    assert (failed.value.causes, failed.value.fatal) == (["READING_BODY"], False)


@pytest.mark.parametrize("word", ["utf-8", "UTF-8", "none", "binary"])
async def test_other_words_where_packing_stands_pack_nothing(site: Site, opened: Open, word: str) -> None:
    site.page("/", b"as it is", Content_Encoding=word)
    assert (await fetch(await opened(), "http://genvm-site.com/"))["body"] == b"as it is"


@pytest.mark.parametrize("packed", [1, 2, 3])
@pytest.mark.parametrize(
    "said",
    ["Content-Encoding: gzip, gzip, gzip\r\n", "Content-Encoding: gzip\r\n" * 3],
    ids=["in one header", "in three"],
)
async def test_a_body_is_packed_as_often_as_it_shows(
    internet: SmallInternet, opened: Open, said: str, packed: int
) -> None:
    """Proxies repeat the header and pack nothing once more; others do pack."""
    body = b"as it is"
    for _ in range(packed):
        body = gzip.compress(body)
    head = f"HTTP/1.1 200 OK\r\n{said}Content-Length: {len(body)}\r\n\r\n".encode()
    async with raw_server(head + body) as port:
        internet.serve("twice.com", {80: port})
        answer = await fetch(await opened(), "http://twice.com/")
    assert (answer["body"], answer["headers"]) == (b"as it is", {})


async def test_a_body_that_is_no_gzip_is_an_observation(site: Site, opened: Open) -> None:
    site.page("/", b"not gzip at all", Content_Encoding="gzip")
    with pytest.raises(ModuleError) as failed:
        await fetch(await opened(), "http://genvm-site.com/")
    assert (failed.value.causes, failed.value.fatal) == (["READING_BODY"], False)

"""modules 3.6 and behaviours 40, 41: requests signed by a service, verified by the site that gets them."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from genvm_module.errors import ModuleError
from web_module.conftest import Open
from web_module.networks import OTHER_PUBLIC, SmallInternet
from web_module.requests_of import fetch
from web_module.sites import Received, Site, raw_server

KEY = ec.generate_private_key(ec.SECP256K1())
ECDSA = ec.ECDSA(hashes.SHA256())
HOST_DATA = {"admin_token": "hidden-token", "count": 5}


@pytest.fixture
async def signer() -> AsyncIterator[Site]:
    """Holds the key; on a private address, where requests of contracts do not come."""

    async def sign(request: web.Request) -> web.Response:
        return web.Response(body=KEY.sign(await request.read(), ECDSA))

    async with Site(pages={"/genvm/sign": sign}).serving() as site:
        yield site


def settings(signer: Site) -> dict[str, object]:
    return {
        "signer_url": f"http://127.0.0.1:{signer.port}/genvm/sign?tx=#{{tx_id}}",
        "signer_headers": {"x-admin-auth": "#{admin_token}"},
    }


def base_of(received: Received, scheme: str = "http") -> bytes:
    """The signature base as a verifier rebuilds it from what arrived."""
    parameters = received.headers["signature-input"].removeprefix("genvm=")
    path, _, query = received.target.partition("?")
    values = {
        "@method": received.method,
        "@scheme": scheme,
        "@authority": received.headers["host"],
        "@path": path,
        "@query": "?" + query,
        **received.headers,
    }
    covered = re.findall(r'"([^"]+)"', parameters.partition(")")[0])
    lines = [f'"{name}": {values[name]}' for name in covered]
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def verify(received: Received) -> None:
    """Raises InvalidSignature."""
    signature = base64.b64decode(received.headers["signature"].removeprefix("genvm=:").removesuffix(":"))
    KEY.public_key().verify(signature, base_of(received), ECDSA)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"test body"), ("PUT", b"")])
async def test_the_site_can_verify_what_it_gets(
    site: Site, signer: Site, opened: Open, method: str, body: bytes | None
) -> None:
    conversation = await opened(settings(signer), host_data=HOST_DATA)
    await fetch(conversation, "http://genvm-site.com/a?x=1", method, body=body, sign=True)
    (received,) = site.received
    verify(received)
    assert received.headers["genlayer-node-address"] == "0x01"
    assert received.headers["genlayer-tx-id"] == "0x02"
    assert ("content-digest" in received.headers) is (body is not None)


async def test_a_changed_request_does_not_verify(site: Site, signer: Site, opened: Open) -> None:
    conversation = await opened(settings(signer), host_data=HOST_DATA)
    await fetch(conversation, "http://genvm-site.com/a", sign=True)
    site.received[0].target = "/b"
    with pytest.raises(InvalidSignature):
        verify(site.received[0])


async def test_forged_headers_are_not_what_gets_signed(site: Site, signer: Site, opened: Open) -> None:
    conversation = await opened(settings(signer), host_data=HOST_DATA)
    forged = {"GenLayer-Tx-Id": b"0xbad", "Content-Digest": b"x", "Signature": b"x", "Host": b"evil.com"}
    await fetch(conversation, "http://genvm-site.com/", headers=forged, sign=True)
    verify(site.received[0])
    assert site.received[0].headers["genlayer-tx-id"] == "0x02"
    assert "content-digest" not in site.received[0].headers


async def test_each_request_has_a_salt_of_its_own(site: Site, signer: Site, opened: Open) -> None:
    conversation = await opened(settings(signer), host_data=HOST_DATA)
    for _ in range(2):
        await fetch(conversation, "http://genvm-site.com/", sign=True)
    salts = {received.headers["genlayer-salt"] for received in site.received}
    assert len(salts) == 2
    assert {len(base64.b64decode(salt)) for salt in salts} == {32}


async def test_settings_are_filled_in_per_run(site: Site, signer: Site, opened: Open) -> None:
    conversation = await opened(settings(signer), host_data=HOST_DATA)
    await fetch(conversation, "http://genvm-site.com/", sign=True)
    (asked,) = signer.received
    assert (asked.method, asked.target) == ("POST", "/genvm/sign?tx=0x02")
    assert asked.headers["x-admin-auth"] == "hidden-token"


async def test_the_signers_address_may_come_with_the_run(site: Site, signer: Site, opened: Open) -> None:
    address = f"http://127.0.0.1:{signer.port}/genvm/sign"
    await fetch(await opened(host_data={"signerUrl": address}), "http://genvm-site.com/", sign=True)
    verify(site.received[0])


async def test_the_signature_stays_with_its_origin(
    site: Site, signer: Site, internet: SmallInternet, opened: Open
) -> None:
    internet.serve("other.com", {80: site.port}, OTHER_PUBLIC)
    site.redirect("/", "http://other.com/there")
    conversation = await opened(settings(signer), host_data=HOST_DATA)
    await fetch(conversation, "http://genvm-site.com/", sign=True)
    verify(site.received[0])
    assert not [name for name in site.received[1].headers if name.startswith(("genlayer-", "signature"))]


async def test_an_unsigned_request_bothers_no_signer(site: Site, signer: Site, opened: Open) -> None:
    await fetch(await opened(settings(signer), host_data=HOST_DATA), "http://genvm-site.com/")
    assert signer.received == []
    assert "signature" not in site.received[0].headers


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"signer_url": "http://127.0.0.1:1/"}, "SIGN_URL_SEND_FAILED"),
        ({"signer_url": "http://#{unknown}/"}, "SIGN_URL_PATCH_FAILED"),
        ({"signer_url": "http://#{count}/"}, "SIGN_URL_PATCH_FAILED"),
        ({"signer_url": "no url"}, "SIGN_URL_PATCH_FAILED"),
        ({"signer_url": "http://127.0.0.1:1/" + "x" * 2048}, "SIGN_URL_PATCH_FAILED"),
        ({"signer_headers": {"x": "#{unknown}"}}, "SIGN_URL_PATCH_FAILED"),
    ],
)
async def test_without_its_signer_a_node_observes_nothing(
    site: Site, signer: Site, opened: Open, changes: dict[str, object], cause: str
) -> None:
    conversation = await opened({**settings(signer), **changes}, host_data=HOST_DATA)
    with pytest.raises(ModuleError) as failed:
        await fetch(conversation, "http://genvm-site.com/", sign=True)
    assert (failed.value.causes, failed.value.fatal) == ([cause], True)
    assert set(failed.value.ctx) == {"error"}
    assert "hidden" not in str(failed.value.ctx)
    assert site.received == []


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "2852039166", "metadata.lan"]
)
async def test_no_run_names_what_gives_a_machine_s_keys_away(
    site: Site, internet: SmallInternet, opened: Open, host: str
) -> None:
    internet.names["metadata.lan"] = ["169.254.169.254", "fd00:ec2::254"]
    conversation = await opened(host_data={"signerUrl": f"http://{host}/latest"})
    with pytest.raises(ModuleError) as failed:
        await fetch(conversation, "http://genvm-site.com/", sign=True)
    assert (failed.value.causes, failed.value.ctx) == (
        ["SIGN_URL_SEND_FAILED"],
        {"error": "the address is no signer's"},
    )


async def test_a_signer_s_name_is_looked_up_once(
    site: Site, signer: Site, internet: SmallInternet, opened: Open
) -> None:
    internet.names["signer.lan"] = ["127.0.0.1", "169.254.169.254"]
    address = f"http://signer.lan:{signer.port}/genvm/sign"
    await fetch(await opened(host_data={"signerUrl": address}), "http://genvm-site.com/", sign=True)
    verify(site.received[0])
    assert internet.lookups.count("signer.lan") == 1


async def test_a_signer_that_refuses_is_fatal(site: Site, signer: Site, opened: Open) -> None:
    signer.page("/genvm/sign", "no", 500)
    with pytest.raises(ModuleError) as failed:
        await fetch(await opened(settings(signer), host_data=HOST_DATA), "http://genvm-site.com/", sign=True)
    assert (failed.value.causes, failed.value.fatal) == (["SIGN_URL_BAD_STATUS"], True)
    assert failed.value.ctx == {"status": "500"}


@pytest.mark.parametrize("body", [b"", b"x" * 5000])
async def test_what_cannot_be_a_signature_is_none(
    site: Site, signer: Site, opened: Open, body: bytes
) -> None:
    signer.page("/genvm/sign", body)
    with pytest.raises(ModuleError) as failed:
        await fetch(await opened(settings(signer), host_data=HOST_DATA), "http://genvm-site.com/", sign=True)
    assert (failed.value.causes, failed.value.fatal) == (["SIGN_URL_READ_FAILED"], True)


async def test_a_signature_that_breaks_off_is_none_at_once(site: Site, signer: Site, opened: Open) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with raw_server(head + b"zz\r\n", then_wait=True) as port:
        signer.port = port
        conversation = await opened(settings(signer), host_data=HOST_DATA)
        with pytest.raises(ModuleError) as failed:
            await fetch(conversation, "http://genvm-site.com/", sign=True)
    assert (failed.value.causes, failed.value.fatal) == (["SIGN_URL_READ_FAILED"], True)
    assert failed.value.ctx == {"error": "ClientPayloadError"}

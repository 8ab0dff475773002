"""modules 3.3 and behaviour 39: the headers of requests and answers."""

from __future__ import annotations

import pytest

from genvm_module.errors import ModuleError
from genvm_web.headers import cleaned, folded, for_other_origin

FORGED = {
    "Host": b"evil",
    "Content-Length": b"9",
    "GenLayer-Tx-Id": b"1",
    "genlayer-node-address": b"1",
    "GENLAYER-SALT": b"1",
    "@method": b"GET",
    "Connection": b"x",
    "Transfer-Encoding": b"chunked",
    "Upgrade": b"h2c",
    "TE": b"x",
    "Trailer": b"x",
    "Keep-Alive": b"x",
    "Proxy-Authorization": b"x",
    "Expect": b"100-continue",
}


@pytest.mark.parametrize("signing", [True, False])
def test_forged_headers_never_leave(signing: bool) -> None:
    assert cleaned({**FORGED, "Accept": b"x"}, signing=signing) == {"accept": b"x"}


def test_a_signed_request_has_no_signature_of_the_contract() -> None:
    headers = {"Signature": b"x", "signature-input": b"x", "Content-Digest": b"x"}
    assert cleaned(headers, signing=True) == {}
    assert set(cleaned(headers, signing=False)) == {"signature", "signature-input", "content-digest"}


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\n", b"a\0b", b"a\rb", b"\x7f", b"\xff"])
def test_values_that_http_does_not_have_are_refused(value: bytes) -> None:
    with pytest.raises(ModuleError) as refused:
        cleaned({"x": value}, signing=False)
    assert (refused.value.causes, refused.value.fatal) == (["invalid header value"], False)
    assert set(refused.value.ctx) == {"rust_error"}


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü", "a\0"])
def test_names_that_http_does_not_have_are_refused(name: str) -> None:
    with pytest.raises(ModuleError) as refused:
        cleaned({name: b"x"}, signing=False)
    assert (refused.value.causes, refused.value.fatal) == (["DESERIALIZING"], False)


def test_utf8_values_are_sent_as_they_are() -> None:
    assert cleaned({"X": "é".encode()}, signing=False) == {"x": "é".encode()}


def test_another_origin_learns_nothing_of_who_asks() -> None:
    headers = dict.fromkeys(
        ["authorization", "cookie", "genlayer-salt", "signature", "signature-input", "accept"], b"x"
    )
    assert for_other_origin(headers) == {"accept": b"x"}


def test_answers_fold_repeated_headers_and_have_no_cookies() -> None:
    raw = [(b"X-A", b"1"), (b"x-a", b"2"), (b"Set-Cookie", b"s"), (b"Content-Length", b"3"), (b"B", b"\xff")]
    assert folded(raw, decoded=False) == {"x-a": b"1, 2", "content-length": b"3", "b": b"\xff"}


def test_a_decompressed_answer_does_not_describe_its_compressed_form() -> None:
    raw = [(b"Content-Encoding", b"gzip"), (b"Content-Length", b"3"), (b"etag", b"e")]
    assert folded(raw, decoded=True) == {"etag": b"e"}

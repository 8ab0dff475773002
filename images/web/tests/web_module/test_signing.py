"""modules 3.6 and behaviour 40: the signature base, byte for byte."""

from __future__ import annotations

import base64
import hashlib

from genvm_web.signing import identity_headers, signature_base
from genvm_web.top_level_domains import root_zone
from genvm_web.urls import UrlRules

SALT = bytes(range(32))
CREATED = 1750171014
RULES = UrlRules(root_zone())

VECTOR = b"""\
"@method": POST
"@scheme": https
"@authority": example.com
"@path": /a
"genlayer-node-address": 0x01
"genlayer-tx-id": 0x02
"genlayer-salt": AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=
"content-digest": sha-256=:Y++zFe1xzH5aH8ICQ0uzrsIJHng4cH4UigF/rrt0ZP4=:
"@query": ?x=1
"@signature-params": ("@method" "@scheme" "@authority" "@path" "genlayer-node-address" "genlayer-tx-id" \
"genlayer-salt" "content-digest" "@query");created=1750171014;alg="ES256K\""""


def test_the_fixed_vector() -> None:
    url = RULES.check("https://example.com/a?x=1")
    base = signature_base("POST", url, identity_headers("0x01", "0x02", SALT, b"test body"), CREATED)
    assert base.text == VECTOR
    assert len(base.text) == 452
    digest = "eddb1cd66ebb0ec7a66dcf70cc1ce4d875d44ebb77ffeb3478092524ba751790"
    assert hashlib.sha256(base.text).hexdigest() == digest


def test_what_is_not_there_is_not_covered() -> None:
    url = RULES.check("http://example.com:443")
    base = signature_base("GET", url, identity_headers("0x01", "0x02", SALT, None), CREATED)
    lines = base.text.decode().split("\n")
    assert lines[2:4] == ['"@authority": example.com:443', '"@path": /']
    assert not any("content-digest" in line or "@query" in line for line in lines)


def test_an_empty_body_has_a_digest_all_the_same() -> None:
    assert identity_headers("a", "b", SALT, b"")["content-digest"].startswith(b"sha-256=:47DEQpj8")


def test_the_signature_travels_under_the_label() -> None:
    url = RULES.check("http://example.com/")
    base = signature_base("GET", url, identity_headers("a", "b", SALT, None), CREATED)
    headers = base.headers(b"\x01\x02")
    assert headers["signature"] == b"genvm=:" + base64.b64encode(b"\x01\x02") + b":"
    assert headers["signature-input"] == b"genvm=" + base.parameters.encode()

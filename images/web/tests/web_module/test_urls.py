"""modules 3.2 and behaviour 28: which URLs a contract may name."""

from __future__ import annotations

import pytest

from genvm_module.errors import ModuleError
from genvm_web.top_level_domains import root_zone, with_extra
from genvm_web.urls import LONGEST_URL, UrlRules

RULES = UrlRules(root_zone(), frozenset({"internal.lan", "10.9.8.7", "xn--bcher-kva.example"}))


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("not a url", "MALFORMED_URL"),
        ("", "MALFORMED_URL"),
        ("http://", "MALFORMED_URL"),
        ("http://a b.com/", "MALFORMED_URL"),
        ("http://a.com:99999/", "MALFORMED_URL"),
        ("http://\udcff.com/", "MALFORMED_URL"),
        ("http://u:p@a.com", "MALFORMED_URL"),
        ("http://u@a.com", "MALFORMED_URL"),
        ("ftp://a.com", "SCHEMA_FORBIDDEN"),
        ("file:///etc/passwd", "SCHEMA_FORBIDDEN"),
        ("data:text/html,x", "SCHEMA_FORBIDDEN"),
        ("javascript:alert(1)", "SCHEMA_FORBIDDEN"),
        ("ws://a.com/", "SCHEMA_FORBIDDEN"),
        ("gopher://a.com/", "SCHEMA_FORBIDDEN"),
        ("http://a.com:8080", "PORT_FORBIDDEN"),
        ("http://a.com:22", "PORT_FORBIDDEN"),
        ("http://localhost", "TLD_FORBIDDEN"),
        ("http://a.local", "TLD_FORBIDDEN"),
        ("http://a.internal", "TLD_FORBIDDEN"),
        ("http://com/", "TLD_FORBIDDEN"),
        ("http://a.com.", "TLD_FORBIDDEN"),
        ("http://10.0.0.1", "TLD_FORBIDDEN"),
        ("http://8.8.8.8", "TLD_FORBIDDEN"),
        ("http://2130706433/", "TLD_FORBIDDEN"),
        ("http://0x7f.1/", "TLD_FORBIDDEN"),
        ("http://0177.0.0.1/", "TLD_FORBIDDEN"),
        ("http://0/", "TLD_FORBIDDEN"),
        ("http://①②⑦.0.0.1/", "TLD_FORBIDDEN"),
        ("http://127。0。0。2/", "TLD_FORBIDDEN"),
        ("http://%31%30.0.0.1/", "TLD_FORBIDDEN"),
        ("http://[::1]/", "TLD_FORBIDDEN"),
        ("http://[::ffff:127.0.0.1]/", "TLD_FORBIDDEN"),
        ("http://[::ffff:7f00:1]/", "TLD_FORBIDDEN"),
        ("http://[fd00::1]/", "TLD_FORBIDDEN"),
    ],
)
def test_refused_urls_name_their_cause(url: str, cause: str) -> None:
    with pytest.raises(ModuleError) as refused:
        RULES.check(url)
    assert (refused.value.causes, refused.value.fatal) == ([cause], False)
    assert refused.value.ctx["url"] == url.encode("utf-8", "replace").decode()


def test_contexts_say_what_was_refused() -> None:
    contexts = {}
    for url in ("ftp://a.com", "http://a.com:8080", "http://a.local/"):
        with pytest.raises(ModuleError) as refused:
            RULES.check(url)
        contexts[url] = dict(refused.value.ctx)
    assert contexts == {
        "ftp://a.com": {"schema": "ftp", "url": "ftp://a.com"},
        "http://a.com:8080": {"port": 8080, "url": "http://a.com:8080"},
        "http://a.local/": {"tld": "local", "url": "http://a.local/"},
    }


@pytest.mark.parametrize(
    ("url", "href"),
    [
        ("http://a.com", "http://a.com/"),
        ("HTTP://EXAMPLE.com:80/a/../b", "http://example.com/b"),
        ("https://a.com:443/x?y#z", "https://a.com/x?y"),
        ("http://a.com:443/", "http://a.com:443/"),
        ("https://a.com:80/", "https://a.com:80/"),
        (" http://a.com/\n", "http://a.com/"),
        ("http:\\\\a.com\\x", "http://a.com/x"),
        ("http://ex%41mple.com/", "http://example.com/"),
        ("http://пример.рф/", "http://xn--e1afmkfd.xn--p1ai/"),
        ("http://a。com/", "http://a.com/"),
        ("http://1.arpa/", "http://1.arpa/"),
    ],
)
def test_accepted_urls_go_on_in_their_parsed_form(url: str, href: str) -> None:
    accepted = RULES.check(url)
    assert (accepted.href, accepted.allow_listed) == (href, False)


@pytest.mark.parametrize(
    "url",
    [
        "http://internal.lan:8080/x",
        "http://INTERNAL.lan/",
        "http://10.9.8.7:9/",
        "http://168364039/",
        "http://bücher.example/",
    ],
)
def test_allow_listed_hosts_are_exempt_in_whatever_form_they_are_written(url: str) -> None:
    assert RULES.check(url).allow_listed


def test_an_allow_listed_name_does_not_exempt_names_below_it() -> None:
    with pytest.raises(ModuleError, match="TLD_FORBIDDEN"):
        RULES.check("http://x.internal.lan/")


def test_an_operator_adds_domains_in_any_form() -> None:
    rules = UrlRules(with_extra(["lan", ".Corp", "бел"]))
    for url in ("http://a.lan/", "http://a.corp/", "http://a.бел/"):
        assert not rules.check(url).allow_listed


def test_the_root_zone_is_ascii_and_has_no_private_names() -> None:
    zone = root_zone()
    assert len(zone) > 1400
    assert {"com", "arpa", "xn--p1ai"} <= zone
    private = {"localhost", "local", "internal", "test", "example", "invalid", "onion", "home", "corp", "lan"}
    assert not private & zone


def test_the_signed_authority_has_no_default_port() -> None:
    assert [RULES.check(url).authority for url in ("https://a.com:443/", "http://a.com:443/")] == [
        "a.com",
        "a.com:443",
    ]


@pytest.mark.parametrize(
    "host",
    [
        "a" * 64 + ".com",
        "a." * 130 + "com",
        "a..com",
        ".com",
        "xn--.com",
        "xn--a.com",
        "xn--zz--.com",
        "xn--a-.com",
        "\u00fc" * 200 + ".com",
        "\u00fc" * 100_000 + ".com",
        "a" + "\u0300\u0323" * 100_000 + ".com",
        "%C3%BC" * 100_000 + ".com",
    ],
    ids=lambda host: host[:24],
)
def test_a_name_that_no_server_could_be_asked_for_is_no_url(host: str) -> None:
    with pytest.raises(ModuleError) as refused:
        RULES.check(f"http://{host}/")
    assert refused.value.causes == ["MALFORMED_URL"]


def test_a_url_has_a_longest_length() -> None:
    """As with other nodes' clients; behind a relative reference as well."""
    start = "http://a.com/"
    assert RULES.check(start + "x" * (LONGEST_URL - len(start))).path
    for text, base in ((start + "x" * LONGEST_URL, None), ("x" * (LONGEST_URL + 1), start)):
        with pytest.raises(ModuleError) as refused:
            RULES.check(text, base)
        assert refused.value.causes == ["MALFORMED_URL"]


def test_a_path_that_names_every_word_keeps_its_carets() -> None:
    path = "/^" + "".join(f"_{number}_" for number in range(2000)) + "^_0_1_"
    assert RULES.check("http://a.com" + path).path == path


def test_encoded_labels_that_stand_for_words_are_names() -> None:
    for host in (
        "xn--bcher-kva.com",
        "b\u00fccher.com",
        "xn--e1afmkfd.xn--p1ai",
        "\u043f\u0440\u0438.\u0440\u0444",
    ):
        assert RULES.check(f"http://{host}/").host.isascii()

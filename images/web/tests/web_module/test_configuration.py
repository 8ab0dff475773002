"""modules 3.1: a configuration is taken whole or refused, naming the key and no value."""

from __future__ import annotations

import pytest

from genvm_module.contract import ConfigurationRefused
from genvm_web.configuration import Limits, read_configuration


def test_everything_has_a_default() -> None:
    configuration = read_configuration({})
    assert configuration.webdriver == "http://127.0.0.1:4444"
    assert configuration.signer.url == "#{signerUrl}"
    assert configuration.limits == Limits()


def test_unknown_keys_are_ignored() -> None:
    config = {
        "lua_script_path": "x",
        "vm_count": 6,
        "session_create_request": "{}",
        "meta": [1],
        "threads": 4,
    }
    assert read_configuration(config) == read_configuration({})


def test_values_are_read() -> None:
    config = {
        "webdriver_host": "http://webdriver:4444/",
        "extra_tld": ["lan"],
        "always_allow_hosts": ["Internal.LAN", "[::1]", "10.0.0.1"],
        "max_wait_after_loaded": "10s",
        "signer_headers": {"x-admin-auth": "#{admin_token}"},
        "max_response_size": 1000,
    }
    configuration = read_configuration(config)
    assert configuration.webdriver == "http://webdriver:4444"
    assert configuration.allowed_hosts == {"internal.lan", "[::1]", "10.0.0.1"}
    assert configuration.limits.max_wait_after_loaded == 10
    assert configuration.limits.max_response_size == 1000


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("webdriver_host", "secret value"),
        ("webdriver_host", "ftp://x"),
        ("webdriver_host", 5),
        ("extra_tld", "lan"),
        ("extra_tld", ["a.b"]),
        ("always_allow_hosts", ["a/b"]),
        ("always_allow_hosts", ["host:80"]),
        ("max_wait_after_loaded", "soon"),
        ("signer_url", 1),
        ("signer_headers", {"a": 1}),
        ("max_response_size", 0),
        ("max_concurrent_requests", "many"),
    ],
)
def test_refusals_name_the_key(key: str, value: object) -> None:
    with pytest.raises(ConfigurationRefused, match=f"^{key}: ") as refused:
        read_configuration({key: value})
    assert "secret" not in str(refused.value)


def test_signer_settings_do_not_show_in_a_trace() -> None:
    configuration = read_configuration(
        {"signer_headers": {"x": "hidden-token"}, "signer_url": "http://h/hidden"}
    )
    assert "hidden" not in repr(configuration)

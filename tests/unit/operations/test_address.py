"""Where a command looks for the manager of the settings that it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.operations.address import address_of
from orchestrator.settings import load_settings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "http://127.0.0.1:3999"),
        ({"port": 4121}, "http://127.0.0.1:4121"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:3999"),
        ({"host": ""}, "http://127.0.0.1:3999"),
        ({"host": "::"}, "http://[::1]:3999"),
        ({"host": "::1"}, "http://[::1]:3999"),
        ({"host": "10.1.2.3"}, "http://10.1.2.3:3999"),
        ({"host": "manager"}, "http://manager:3999"),
        ({"socket": Path("/run/api.sock"), "port": 4121}, "unix:///run/api.sock"),
        ({"operator_socket": Path("/run/ops.sock"), "port": 4121}, "http://127.0.0.1:4121"),
        ({"port": 0}, None),
    ],
    ids=str,
)
def test_it_is_where_the_settings_let_it_listen(settings: dict[str, Any], expected: str | None) -> None:
    assert address_of(load_settings(None, **settings)) == expected


@pytest.mark.parametrize("others", [{}, {"socket": Path("/run/api.sock")}, {"port": 0}], ids=str)
def test_what_is_an_operators_is_asked_on_the_operators_socket(others: dict[str, Any]) -> None:
    """Which is closed to those who only read."""
    settings = load_settings(None, operator_socket=Path("/run/ops.sock"), **others)
    assert address_of(settings, operator=True) == "unix:///run/ops.sock"
    assert address_of(settings) != "unix:///run/ops.sock"
    assert address_of(load_settings(None, **others), operator=True) == address_of(settings)

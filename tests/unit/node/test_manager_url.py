"""What `--manager` takes: a slip is said to be one, instead of that nobody answers."""

from __future__ import annotations

import pytest

from orchestrator.__main__ import main, parsed

URLS = [
    "http://127.0.0.1:3999",
    "http://[::1]:3999/",
    "http://manager",
    "https://genvm.example.org/api",
    "unix:///run/genvm/api.sock",
    "unix://api.sock",
]
NONE = [
    "nonsense",
    "",
    "http://",
    "http://127.0.0.1:99999",
    "http://127.0.0.1:0",
    "http://[::1",
    "127.0.0.1:3999",
    "ftp://127.0.0.1",
    "unix://",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("command", ["ps", "view 0x1 get"])
def test_a_url_is_taken_as_it_is(command: str, url: str) -> None:
    assert parsed([*command.split(), "--manager", url]).manager == url


@pytest.mark.parametrize("text", NONE)
@pytest.mark.parametrize("command", ["ps", "inspect 1", "gc", "deploy c.py", "view 0x1 get"])
def test_what_is_none_is_said_to_be_none(command: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--manager", text])
    assert ended.value.code == 2
    assert f"{text!r} is no URL of a manager: one is http://HOST:PORT or" in capsys.readouterr().err


def test_only_who_can_do_without_a_manager_takes_local() -> None:
    assert parsed(["view", "0x1", "get", "--manager", "local"]).manager == "local"
    with pytest.raises(SystemExit):
        parsed(["ps", "--manager", "local"])

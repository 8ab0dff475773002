"""The browser's own sandbox: on, or off because somebody said so; never off by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from genvm_module.contract import ConfigurationRefused
from genvm_web import service, webdriver_child
from genvm_web.webdriver import sandbox
from genvm_web.webdriver.browser import Browsers
from genvm_web.webdriver.settings import read_settings
from web_module.browsing import CHROMIUM, SETTINGS

Kernel = Callable[[str], None]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """Makes the question about namespaces end with these words; the empty ones mean that all is well."""
    monkeypatch.setattr(os, "geteuid", lambda: 64321)

    def answer(words: str) -> None:
        monkeypatch.setattr(sandbox, "QUESTION", f"import sys; sys.exit({words or None!r})")

    return answer


def test_it_is_on_unless_it_is_switched_off() -> None:
    assert read_settings({}).chrome_sandbox is True
    assert read_settings({"GVM_WEBDRIVER_CHROME_SANDBOX": "off"}).chrome_sandbox is False


async def test_a_kernel_that_lets_it_be_is_enough(kernel: Kernel) -> None:
    kernel("")
    await sandbox.require_sandbox()


async def test_without_user_namespaces_the_browser_is_not_started_and_the_reason_is_said(
    kernel: Kernel,
) -> None:
    kernel("no user namespace: Operation not permitted")
    with pytest.raises(sandbox.SandboxUnusable, match=r"no user namespace: Operation.*browser_sandbox"):
        async with Browsers(read_settings({})).running():
            raise AssertionError("it started")


async def test_root_is_told_that_the_browser_refuses_its_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(sandbox.SandboxUnusable, match="root"):
        await sandbox.require_sandbox()


async def test_a_sandbox_that_was_switched_off_is_loud() -> None:
    settings = read_settings({"GVM_WEBDRIVER_CHROME_SANDBOX": "off"})
    with capture_logs() as logs:
        async with Browsers(settings).running():
            pass
    assert [entry["log_level"] for entry in logs if entry["event"] == "browser_sandbox_off"] == ["error"]


async def test_the_module_refuses_to_serve_without_it_in_the_webdriver_s_own_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The real webdriver, as root, where the suite is root; else one that says the same."""
    said = "the browser cannot start with its sandbox: it refuses its sandbox to root"
    if os.geteuid() != 0:
        monkeypatch.setattr(webdriver_child, "COMMAND", _saying(said))
    with pytest.raises(ConfigurationRefused, match=said):
        await service.WebModule().configure({}, allow_empty_backends=False)


async def test_the_module_serves_without_it_when_told_to_and_says_so_in_its_notes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GVM_WEBDRIVER_CHROME_EXECUTABLE", CHROMIUM)
    serving = await service.WebModule().configure({"browser_sandbox": False}, allow_empty_backends=False)
    try:
        assert serving.notes == [service.SANDBOX_OFF]
    finally:
        await serving.close()
    assert SETTINGS.chrome_sandbox is (os.geteuid() != 0)


def _saying(words: str) -> tuple[str, ...]:
    line = (words + "\n").encode()
    code = f"import os, sys; os.write(int(sys.argv[1].split('=')[1]), {line!r})"
    return (sys.executable, "-c", code)

"""modules 4.4 and behaviour 44: the service's environment."""

from __future__ import annotations

import pytest

from genvm_web.webdriver.settings import SettingRefused, Settings, read_settings
from genvm_web.webdriver.units import duration, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5MiB", 5 * 1024**2),
        ("5 mib", 5 * 1024**2),
        ("1.5KB", 1500),
        ("2gb", 2 * 1000**3),
        ("1GiB", 1024**3),
        ("7B", 7),
        ("0.5kib", 512),
    ],
)
def test_sizes(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "5", "MiB", "-1MB", "1e3MB", "5XB", "1,5MB", "5MiB more", "NaN MB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("120s", 120), ("5m", 300), ("1h", 3600), ("200", 0.2), ("1.5 S", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1e3s", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        duration(text)


def test_everything_has_a_default() -> None:
    assert read_settings({"PATH": "/bin", "GVM_WEBDRIVER_MAX_RESPONSE": " "}) == Settings()


def test_settings_are_read() -> None:
    settings = read_settings(
        {
            "PORT": "5555",
            "GVM_WEBDRIVER_MAX_CONCURRENT_RENDERS": "2",
            "GVM_WEBDRIVER_MAX_RENDER_QUEUE": "0",
            "GVM_WEBDRIVER_CHROME_ARGS": '["--a=b c"]',
            "GVM_WEBDRIVER_CHROME_HEADLESS": "FALSE",
        }
    )
    assert (settings.port, settings.max_concurrent_renders, settings.max_render_queue) == (5555, 2, 0)
    assert (settings.chrome_args, settings.chrome_headless) == (("--a=b c",), False)
    assert read_settings({"GVM_WEBDRIVER_CHROME_ARGS": "--a '--b c'"}).chrome_args == ("--a", "--b c")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_CONCURRENT_RENDERS", "0"),
        ("MAX_CONCURRENT_RENDERS", "1.5"),
        ("MAX_RENDER_QUEUE", "-1"),
        ("MAX_RENDER_QUEUE", "nan"),
        ("MAX_RESPONSE", "0.5B"),
        ("MAX_RESPONSE", "lots"),
        ("RENDER_QUEUE_TIMEOUT", "soon"),
        ("CHROME_HEADLESS", "perhaps"),
        ("CHROME_SANDBOX", "perhaps"),
        ("CHROME_ARGS", "[1]"),
    ],
)
def test_refusals_name_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingRefused, match=f"^GVM_WEBDRIVER_{name}: "):
        read_settings({f"GVM_WEBDRIVER_{name}": value})

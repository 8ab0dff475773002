"""URLs of managers, as `--manager` takes them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Final
from urllib.parse import urlsplit

LOCAL_MANAGER: Final = "local"
"""For `--manager`: none that runs, but one for this command alone."""
UNIX: Final = "unix://"


def manager_url(text: str) -> str:
    """`http://HOST:PORT` or `unix://PATH`, as it is. Raises ArgumentTypeError for another text.

    Asked to connect there, a client would say of a slip that no manager answers.
    """
    if not _leads_somewhere(text):
        raise ArgumentTypeError(f"{text!r} is no URL of a manager: one is http://HOST:PORT or unix://PATH")
    return text


def manager_url_or_local(text: str) -> str:
    """The same, or LOCAL_MANAGER. Raises ArgumentTypeError."""
    return text if text == LOCAL_MANAGER else manager_url(text)


def _leads_somewhere(text: str) -> bool:
    if text.startswith(UNIX):
        return text != UNIX
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

"""Whoever waits at a terminal sees for what and since when; a file gets what stays, and nothing else."""

from __future__ import annotations

import io
import threading

from orchestrator.progress import progress

PATIENCE = 60.0
"""Seconds; only a test that fails takes them."""


class Screen(io.StringIO):
    """Tells when a line of progress was written."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal
        self.seen = threading.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        written = super().write(text)
        if " … " in text:
            self.seen.set()
        return written


def test_a_terminal_shows_what_goes_on_and_is_clean_afterwards() -> None:
    screen = Screen(terminal=True)
    with progress("building", screen, every=0.001) as shown:
        assert screen.seen.wait(PATIENCE)
        shown.say("genvm-base: built")
        shown.at("building the next")
    text = screen.getvalue()
    assert "building … " in text
    assert "\x1b[2Kgenvm-base: built\n" in text
    assert text.endswith(("genvm-base: built\n", "\x1b[2K"))


def test_a_file_gets_only_what_stays() -> None:
    screen = Screen(terminal=False)
    with progress("building", screen, every=0.0) as shown:
        shown.at("still building")
        shown.say("genvm-base: built")
    assert screen.getvalue() == "genvm-base: built\n"


def test_what_is_quick_shows_nothing() -> None:
    screen = Screen(terminal=True)
    with progress("asking", screen, every=PATIENCE):
        pass
    assert screen.getvalue() == ""

"""Version selectors: a version, or a reason, and at once, whatever the pattern is."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from orchestrator.contracts.patterns import LONGEST_PATTERN
from orchestrator.contracts.versions import ExecutorVersion, Manifest, Number, VersionFailure
from tests.fuzz import values
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.fuzz.stalls import in_time

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# The longest name there can be, and ones that nearly match what patterns look for.
NAMES = ("v0.2.12", "v0.3.0", "0.3.1-rc7", f"v999999999.999999999.999999999-{'a' * 200}")
PIECES = (
    "(", ")", "(?:", "(?i)", "(?=", "(?<n>", "[", "]", "[^", "[[:alpha:]]", "{", "}", "{1,1000}", "{64}",
    "|", "*", "+", "?", "*?", "+?", "??", ".", "^", "$", "\\d", "\\w", "\\pL", "\\p{Greek}", "\\b", "\\1",
    "\\Q", "\\x{10FFFF}", "v", "0", "9", "a", "a?", "(a?){9}", "(a*)*", "(a|a)*", "(.*)*", "-", "&&", "é",
    "\U0001f600", "\0", "\ud800",
)  # fmt: skip
MANIFEST = Manifest(
    [ExecutorVersion(name, Number.parse(name), NOW, "image", "T9n", "v0.3") for name in NAMES[:3]]
)
ROUND = 5_000


def selector(chance: random.Random) -> str:
    luck = chance.random()
    if luck < 0.1:
        return chance.choice(NAMES)
    if luck < 0.2:
        return values.text(chance)
    pieces = [chance.choice(PIECES) for _ in range(chance.randrange(1, 20))]
    pattern = "".join(pieces)
    if luck < 0.8:
        pattern = pattern[:LONGEST_PATTERN]
    elif luck < 0.9:
        pattern *= chance.randrange(1, 2000)
    return "re:" + pattern


def chosen(text: str) -> str:
    try:
        version = MANIFEST.by_selector(text, NOW)
    except VersionFailure as refusal:
        if not str(refusal) or len(str(refusal)) > 2000:
            raise Broken("refused without a reason, or with a long one") from None
        return type(refusal).__name__
    if version not in MANIFEST.versions:
        raise Broken("an unknown version is chosen")
    return "chosen"


def shown(text: str) -> str:
    try:
        return in_time(lambda: chosen(text), lambda: ascii(text))
    except Exception as defect:
        raise Broken(f"{defect!r}: {text[:2000]!a} ({len(text)} characters)") from defect


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first selector that stops somebody, or is not refused with a reason."""
    chance, report, first = random.Random(seed), Report(), 0
    while report.inputs < inputs:
        report.answers[shown(selector(chance))] += 1
        report.inputs += 1
        if report.inputs == min(ROUND, inputs):
            first = resident_bytes()
    report.check_growth(first)
    return report

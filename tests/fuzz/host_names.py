"""Addresses of nodes: one of the known forms, or a reason, and at once, whatever is in the name."""

from __future__ import annotations

import random

from orchestrator.executions.hosts import HostFailure, TcpHost, parse_host
from tests.fuzz import values
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.fuzz.stalls import in_time

STARTS = ("", "unix://", "tcp://", "unix:", "http://", "UNIX://", "[", "tcp://[")
PIECES = (
    "a", "A", "-", "_", ".", "..", ":", "::", "/", "/proc/self/fd/3", "localhost", "127.0.0.1", "0", "::1",
    "fe80::1%eth0", "[", "]", "@", "%", "\0", " ", "\n", "xn--", "xn--a", "é", "ß", "\u0301", "\u200d",
    "\u3002", "\uff0e", "\U0001f600", "\ud800", "a" * 63, "a" * 64, "a." * 127,
)  # fmt: skip
PORTS = ("", ":0", ":1", ":80", ":65535", ":65536", ":-1", ":٣", ":" + "9" * 5000, ":0x50", ": 80")
ROUND = 5_000


def address(chance: random.Random) -> str:
    if chance.random() < 0.05:
        return values.text(chance)
    pieces = (chance.choice(PIECES) * _times(chance) for _ in range(chance.randrange(8)))
    return chance.choice(STARTS) + "".join(pieces) + chance.choice(PORTS)


def _times(chance: random.Random) -> int:
    return chance.choice((1, 1, 1, 2, 300, chance.randrange(20_000)))


def parsed(text: str) -> str:
    try:
        found = parse_host(text)
    except HostFailure as refusal:
        if not str(refusal) or len(str(refusal)) > 3000 or not str(refusal).isascii():
            raise Broken(f"refused with {str(refusal)[:100]!r}") from None
        return type(refusal).__name__
    if isinstance(found, TcpHost):
        # What a resolver is given: encoding it must cost nothing and raise nothing.
        found.name.encode("idna")
        return "tcp"
    found.path.encode()
    return "unix"


def shown(text: str) -> str:
    try:
        return in_time(lambda: parsed(text), lambda: ascii(text))
    except Exception as defect:
        raise Broken(f"{defect!r}: {text[:2000]!a} ({len(text)} characters)") from defect


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first address that stops somebody, or is not refused with a reason."""
    chance, report, first = random.Random(seed), Report(), 0
    while report.inputs < inputs:
        report.answers[shown(address(chance))] += 1
        report.inputs += 1
        if report.inputs == min(ROUND, inputs):
            first = resident_bytes()
    report.check_growth(first)
    return report

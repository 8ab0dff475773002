"""Prompts through the llm module's filters: the same again when they are filtered again, and at once."""

from __future__ import annotations

import random
import unicodedata

from genvm_llm.filters import FILTERS, PROMPT_FILTERS, TEMPLATE_FILTERS, apply
from genvm_llm.workshop import IN_PLACE
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.fuzz.stalls import in_time

LONGEST = IN_PLACE
"""Characters; what is longer takes its time in a process of its own."""
PIECES = (
    "a", " ", "\n", "\n\n\n", "\t", "\r", "\0", "\u00a0", "\u200b", "\u200d", "\ufeff", "\u00ad", "\u0301",
    "\u0327", "\u0323",
    "\u1161", "\u11a8", "\uac00", "\u1100", "\ufdfa", "\ufb03", "\u0344", "\u212b",
    "\U0001f468\u200d\U0001f469", "\U000e0041",
    "\u202e", "<|im_start|>", "</s>", "[INST]", "é", "中", "\U0001d15e", "\u3099", "\u0f73",
)  # fmt: skip
MARKS = tuple(chr(code) for code in range(0x300, 0x3000) if unicodedata.combining(chr(code)))
SETS = (*((name,) for name in FILTERS), PROMPT_FILTERS, TEMPLATE_FILTERS)
ROUND = 2_000


def prompt(chance: random.Random) -> str:
    pieces = []
    for _ in range(chance.randrange(1, 12)):
        piece = chance.choice(PIECES) if chance.random() < 0.7 else chance.choice(MARKS)
        pieces.append(piece * chance.choice((1, 1, 2, 31, chance.randrange(LONGEST))))
    if chance.random() < 0.2:
        pieces.append("".join(chance.choices(MARKS, k=chance.randrange(LONGEST))))
    return "".join(pieces)[:LONGEST]


def filtered(text: str, names: tuple[str, ...]) -> str:
    once = apply(text, names)
    if apply(once, names) != once:
        raise Broken(f"{names} are not idempotent")
    return "changed" if once != text else "kept"


def shown(text: str, names: tuple[str, ...]) -> str:
    try:
        return in_time(lambda: filtered(text, names), lambda: f"{names} {text!a}")
    except Exception as defect:
        raise Broken(f"{defect!r}: {text[:1000]!a} ({len(text)} characters)") from defect


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first prompt that takes too long, or is another when it is filtered again."""
    chance, report, first = random.Random(seed), Report(), 0
    while report.inputs < inputs:
        report.answers[shown(prompt(chance), chance.choice(SETS))] += 1
        report.inputs += 1
        if report.inputs == min(ROUND, inputs):
            first = resident_bytes()
    report.check_growth(first)
    return report

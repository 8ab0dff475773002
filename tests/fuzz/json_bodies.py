"""JSON bodies of every route: what Python's own decoder makes of them, or a reason, and at once."""

from __future__ import annotations

import json
import random
from typing import Any

from pydantic import BaseModel

from orchestrator.api.body import WrongShape, shaped
from orchestrator.api.env import EnvBody
from orchestrator.api.json_text import BadJson, decode
from orchestrator.api.llm_check import CheckBody
from orchestrator.api.log_level import LevelBody
from orchestrator.api.modules import ModuleBody, StartBody
from orchestrator.api.permits import PermitsBody
from orchestrator.api.vm_error import DescribeBody
from orchestrator.api.wire.generation_a import RunBodyA
from tests.fuzz import values
from tests.fuzz.report import Broken, Report, resident_bytes
from tests.fuzz.stalls import in_time
from tests.generation_bodies import fields

MODELS: tuple[type[BaseModel], ...] = (
    RunBodyA, PermitsBody, EnvBody, LevelBody, ModuleBody, StartBody, CheckBody, DescribeBody,
)  # fmt: skip
VALID: tuple[Any, ...] = (
    fields("A", "unix:///nowhere/sock"),
    {"permits": 4},
    {"key": "A", "value": "b"},
    {"level": "info"},
    {"module_type": "Llm", "config": {"backends": {"a": {"enabled": True}}}},
    {
        "configs": [{"host": "h", "provider": "ollama", "model": "m", "key": "${ENV[K]}"}],
        "test_prompts": [{"user_message": "u", "temperature": 0.7, "max_tokens": 5, "images": [[1, 2]]}],
    },
    {"error": "timeout", "major": 0, "minor": 2},
)
PIECES = (
    b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\u", b"\\ud800", b"0", b"-", b"1e9", b"1e999",
    b".", b"true", b"null", b"NaN", b"Infinity", b" ", b"\n", b"\0", b"\xff", b"\xef\xbb\xbf", b'"a"',
    b'{"a":1,"a":2}', b"[[", b"9" * 50,
)  # fmt: skip
MOST_REPEATS = 20_000
ROUND = 5_000


def body(chance: random.Random) -> bytes:
    """Pieces of JSON, some of them many times over, and bodies that were valid once."""
    luck = chance.random()
    if luck < 0.1:
        return chance.randbytes(chance.randrange(64))
    if luck < 0.4:
        pieces = (chance.choice(PIECES) * _times(chance) for _ in range(chance.randrange(1, 12)))
        return b"".join(pieces)
    whole = json.dumps(chance.choice(VALID), ensure_ascii=chance.random() < 0.5).encode()
    if luck < 0.5:
        return whole.decode().encode(chance.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32-be")))
    if luck < 0.75:
        changed = values.replaced(chance, chance.choice(VALID))
        return json.dumps(changed, default=repr).encode("utf-8", "replace")
    if luck < 0.9:
        place = chance.randrange(len(whole))
        return whole[:place] + chance.choice(PIECES) * _times(chance) + whole[place:]
    return values.spoiled(chance, whole)


def _times(chance: random.Random) -> int:
    return chance.choice((1, 1, 1, 2, 130, chance.randrange(MOST_REPEATS)))


def taken(raw: bytes) -> str:
    """What becomes of a body. Raises whatever it should not."""
    try:
        value = decode(raw)
    except BadJson as refusal:
        if not str(refusal):
            raise Broken("refused without a reason") from None
        return "refused"
    if json.loads(raw) != value:
        raise Broken("decoded to something else")
    return "/".join(sorted({_shape(model, value) for model in MODELS}))


def _shape(model: type[BaseModel], value: Any) -> str:
    try:
        shaped(model, value)
    except WrongShape as refusal:
        if len(str(refusal)) > 5000:
            raise Broken("refused with a long reason") from None
        return "wrong"
    return "right"


def shown(raw: bytes) -> str:
    try:
        return in_time(lambda: taken(raw), lambda: repr(raw))
    except Exception as defect:
        raise Broken(f"{defect!r}: {raw[:2000]!r} ({len(raw)} bytes)") from defect


async def fuzz(inputs: int, seed: int) -> Report:
    """Raises Broken for the first body that is taken for another, or takes too long."""
    chance, report, first = random.Random(seed), Report(), 0
    while report.inputs < inputs:
        report.answers[shown(body(chance))] += 1
        report.inputs += 1
        if report.inputs == min(ROUND, inputs):
            first = resident_bytes()
    report.check_growth(first)
    return report

"""Answers to prompts and pages that tests give in place of models and the web.

The newest mock whose pattern fits answers. A pattern is a text with `*` and `?` in it, which fits the whole
question without regard to case, or a compiled regular expression, which is searched for; for prompts a text
without either fits every prompt that contains it. What nothing fits ends the run with an internal error, as a
module does that cannot answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

Pattern = str | re.Pattern[str]
LEADER: Final = "leader"


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a web service's answer. `text` is what `render` gives; without it, `body` as it is."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, bytes] = field(default_factory=dict)
    text: str | None = None
    screenshot: bytes | None = None

    @property
    def shown(self) -> str:
        return self.body.decode("utf-8", "replace") if self.text is None else self.text


@dataclass(frozen=True, slots=True)
class Failure:
    """The module observed that it cannot be had: the contract sees the exception `NondetException`."""

    causes: tuple[str, ...]
    ctx: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question. `node`: `leader`, `validator-1` …; `what`: the request as the module got it."""

    node: str
    text: str
    what: Mapping[str, Any]


Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Mock(Generic[Answer]):
    fits: Callable[[str], object]
    answer: Answer | Callable[[Asked], Answer]
    node: str | None
    left: int | None


def validator(number: int) -> str:
    """The name of a validator, counted from 1."""
    return f"validator-{number}"


class Answers(Generic[Answer]):
    """The mocks of one module. `asked`: every question so far, in order."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._mocks: list[_Mock[Answer]] = []

    def add(
        self,
        pattern: Pattern,
        answer: Answer | Callable[[Asked], Answer],
        *,
        at: str | int | None = None,
        times: int | None = None,
    ) -> None:
        """Answer what fits `pattern`; a function is asked each time, and may raise.

        `at`: only this node: `"leader"`, or a validator's number. `times`: only so often.
        """
        node = validator(at) if isinstance(at, int) else at
        self._mocks.append(_Mock(self._fitting(pattern), answer, node, times))

    def clear(self) -> None:
        """Forget all mocks and questions."""
        self._mocks.clear()
        self.asked.clear()

    def find(self, asked: Asked) -> Answer | None:
        """The answer, null when nothing fits. Raises whatever the mock's function does."""
        self.asked.append(asked)
        for mock in reversed(self._mocks):
            if mock.node not in (None, asked.node) or mock.left == 0 or not mock.fits(asked.text):
                continue
            if mock.left is not None:
                mock.left -= 1
            return mock.answer(asked) if callable(mock.answer) else mock.answer
        return None

    def _fitting(self, pattern: Pattern) -> Callable[[str], object]:
        return pattern.search if isinstance(pattern, re.Pattern) else _wild(pattern).fullmatch


class Prompts(Answers[Any]):
    """Mocks of the language model. Answers: text; a map for JSON; a bool for the yes-or-no templates."""

    def _fitting(self, pattern: Pattern) -> Callable[[str], object]:
        if isinstance(pattern, str) and not {"*", "?"} & set(pattern):
            pattern = re.compile(re.escape(pattern), re.IGNORECASE)
        return super()._fitting(pattern)

    def mock(self, pattern: Pattern, answer: Any, **where: Any) -> None:
        """See `Answers.add`; templates are found by the texts of all their parts."""
        self.add(pattern, answer, **where)


class Pages(Answers[Page | Failure]):
    """Mocks of the web, by address."""

    def mock(
        self, pattern: Pattern, body: str | bytes | Mapping[str, Any] | Page | None = None, **what: Any
    ) -> None:
        """See `Answers.add`. `body`: text, bytes, a map that becomes JSON, or a whole `Page`.

        `status`, `headers`, `text`, `screenshot`: of the page; `at` and `times`: of the mock.
        """
        where = {key: what.pop(key) for key in ("at", "times") if key in what}
        self.add(pattern, body if isinstance(body, Page) else Page(_bytes(body), **what), **where)

    def fail(self, pattern: Pattern, *causes: str, **where: Any) -> None:
        """What fits cannot be loaded, as far as the module can tell."""
        self.add(pattern, Failure(causes or ("WEBPAGE_LOAD_FAILED",)), **where)


def _bytes(body: str | bytes | Mapping[str, Any] | None) -> bytes:
    if isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return b"" if body is None else json.dumps(body).encode()


def _wild(text: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(one) or re.escape(one) for one in text), re.IGNORECASE | re.DOTALL)

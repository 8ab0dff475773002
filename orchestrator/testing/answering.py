"""From a module's request to its answer: mocks first, then what was recorded (modules 1.8–1.10)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from genvm_wire.calldata import Encodable, Value, to_text
from orchestrator.testing.mocks import Asked, Failure, Page, Pages, Prompts
from orchestrator.testing.recording import Recording

SHOWN = 300
BOOLEAN_TEMPLATES = frozenset({"EqComparative", "EqNonComparativeValidator"})


class Unanswered(Exception):
    """No mock fits; the text says to what."""


class Answering:
    """Both modules of one test. Called in threads; one question at a time from each run."""

    def __init__(self) -> None:
        self.prompts = Prompts()
        self.pages = Pages()
        self.recording = Recording(None, writes=False)
        self.troubles: list[str] = []
        """what no mock fitted, or went wrong in one, for the test's report"""

    def begin(self, recording: Recording) -> None:
        """For the next test."""
        self.recording = recording
        self.prompts.clear()
        self.pages.clear()
        self.troubles.clear()

    def answer(self, node: str, request: Value) -> Encodable | None:
        """The whole answer, as the executor reads it; null where it is to be asked of a real module."""
        try:
            return self._answer(node, request)
        except Unanswered as error:
            if (recorded := self.recording.find(node, request)) is not None:
                return recorded
            if self.recording.writes:
                return None
            self.troubles.append(str(error))
            return {"FatalError": str(error)}
        except Exception as error:
            # A test's own function: its failure is the test's, and must reach its report.
            self.troubles.append(f"the mock failed: {type(error).__name__}: {error}")
            return {"FatalError": self.troubles[-1]}

    def _answer(self, node: str, request: Value) -> Encodable:
        match request:
            case {"Render": [dict(payload), *_]} | {"Render": dict(payload)}:
                return self._page(node, payload, self._render)
            case {"Request": [dict(payload), *_]} | {"Request": dict(payload)}:
                return self._page(node, payload, self._response)
            case {"Prompt": {"payload": dict(payload)}}:
                return self._prompt(node, payload, str(payload.get("prompt")))
            case {"PromptTemplate": {"payload": dict(payload)}}:
                return self._prompt(node, payload, _template_text(payload))
        raise Unanswered(f"a request that mocks do not know: {to_text(request, SHOWN)}")

    def _page(self, node: str, payload: dict[str, Value], form: Any) -> Encodable:
        asked = Asked(node, str(payload.get("url")), payload)
        found = self.pages.find(asked)
        if found is None:
            raise Unanswered(f"no page is mocked for {asked.text!r:.300}: pages.mock(PATTERN, BODY)")
        if isinstance(found, Failure):
            return _observed(found, {"url": asked.text})
        answer: Encodable = form(payload, found)
        return answer

    @staticmethod
    def _render(payload: dict[str, Value], page: Page) -> Encodable:
        if not (200 <= page.status < 300 or page.status == 304):
            loaded: dict[str, Encodable] = {
                "url": str(payload["url"]),
                "status": page.status,
                "body": page.body,
            }
            return _observed(Failure(("WEBPAGE_LOAD_FAILED",)), loaded)
        match payload.get("mode"):
            case "screenshot" if page.screenshot is None:
                raise Unanswered(f"the page for {payload['url']!r:.300} has no screenshot=…")
            case "screenshot":
                return {"Ok": {"image": page.screenshot}}
            case "html":
                return {"Ok": {"text": page.body.decode("utf-8", "replace")}}
        return {"Ok": {"text": page.shown}}

    @staticmethod
    def _response(payload: dict[str, Value], page: Page) -> Encodable:
        del payload
        headers = {name.lower(): value for name, value in page.headers.items()}
        return {"Ok": {"response": {"status": page.status, "headers": headers, "body": page.body}}}

    def _prompt(self, node: str, payload: dict[str, Value], text: str) -> Encodable:
        found = self.prompts.find(Asked(node, text, payload))
        if found is None:
            raise Unanswered(
                f"no answer is mocked to the prompt {text!r:.300}: prompts.mock(PATTERN, ANSWER)"
            )
        if isinstance(found, Failure):
            return _observed(found, {})
        return {"Ok": {"data": _prompted(payload, found), "consumed_gen": 0}}


def _observed(failure: Failure, about: Mapping[str, Encodable]) -> Encodable:
    ctx: dict[str, Encodable] = {**about, **failure.ctx}
    return {"UserError": {"causes": list(failure.causes), "ctx": ctx}}


def _template_text(payload: dict[str, Value]) -> str:
    return "\n".join(value for value in payload.values() if isinstance(value, str))


def _prompted(payload: dict[str, Value], answer: Any) -> Encodable:
    """In the form that was asked for. Raises TypeError for an answer that has none."""
    if payload.get("template") in BOOLEAN_TEMPLATES:
        if not isinstance(answer, bool):
            raise TypeError(f"{payload['template']!r} is answered True or False, not {answer!r:.100}")
        return answer
    if payload.get("response_format") == "json":
        if not isinstance(answer, str):
            return json.dumps(answer)
        json.loads(answer)
    if not isinstance(answer, str):
        raise TypeError(f"a prompt for text is answered by text, not {answer!r:.100}")
    return answer

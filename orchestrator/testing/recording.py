"""What real modules answered in a test, kept in a file beside it, so that it can be had without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from genvm_wire.calldata import Encodable, Value
from orchestrator.node.argument_text import parse_json
from orchestrator.node.presentation import tagged


class Recording:
    """Of one test. `file` null: there is none. `writes`: what the file holds is made anew.

    An answer is found by who asked and by the whole question, but for what is left of memory and budget; the
    same question asked again gets the next answer.
    """

    def __init__(self, file: Path | None, *, writes: bool) -> None:
        self.writes = writes
        self._file = file
        self._entries: list[dict[str, Any]] = []
        if file is not None and not writes and file.is_file():
            self._entries = json.loads(file.read_text("utf-8"))

    def find(self, node: str, request: Value) -> Encodable | None:
        """The recorded answer; null when there is none, or none is left."""
        if self.writes:
            return None
        question = _question(request)
        for entry in self._entries:
            if (entry["node"], entry["question"]) == (node, question):
                self._entries.remove(entry)
                return parse_json(json.dumps(entry["answer"]))
        return None

    def add(self, node: str, request: Value, answer: Value) -> None:
        self._entries.append({"node": node, "question": _question(request), "answer": tagged(answer)})

    def save(self) -> None:
        """Write what was added; a test that asked nothing gets no file."""
        if not self.writes or self._file is None or not self._entries:
            return
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_text(json.dumps(self._entries, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _question(request: Value) -> Any:
    match request:
        case {"Render": [payload, _]}:
            return {"Render": tagged(payload)}
        case {"Request": [payload, _]}:
            return {"Request": tagged(payload)}
        case {"Prompt": {"payload": payload}}:
            return {"Prompt": tagged(payload)}
        case {"PromptTemplate": {"payload": payload}}:
            return {"PromptTemplate": tagged(payload)}
    return tagged(request)

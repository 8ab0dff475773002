"""The JSON of a reply, also where a server answers in pieces although nobody asked for a stream.

Proxies do, and some write comments in front so that the connection stays open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from genvm_llm.merging import Json
from genvm_llm.providers.endings import Ending, ending_of
from genvm_llm.providers.exchange import at, list_at, text_at
from genvm_llm.providers.faults import error_in, fault_in, fault_of, is_call
from genvm_llm.thoughts import without_thoughts

CUT = "abort"
"""Why a stream ended that did not say so itself."""
_DONE = "[DONE]"
"""What ends a stream whether or not a piece said why, as the end of a whole reply does."""
_LINE_END = re.compile(r"\r\n|\n|\r")
"""No others: a text may hold whatever else Unicode ends a line with."""
_ASIDE = (":", "id:", "retry:")
"""Beginnings of lines of an event stream that carry nothing."""
_MEMBERS = ("delta", "message")
"""What a choice says is in one of them: the first for a piece, the second for a whole answer, as a rule."""
_EVENT, _DATA = "event:", "data:"


def parsed(body: bytes) -> Json:
    """Raises ValueError, RecursionError."""
    try:
        whole: Json = json.loads(body)
    except ValueError:
        pieces, done = _pieces(body.decode("utf-8-sig"))
        return _joined(pieces, done=done)
    return whole


def _pieces(text: str) -> tuple[list[Json], bool]:
    """One for each event or line, and whether it was told that there are no more. Raises ValueError."""
    all_lines = [line for line in _LINE_END.split(text) if not line.startswith(_ASIDE)]
    lines = [line for line in all_lines if line.strip() and not line.startswith(_EVENT)]
    if lines and lines[0].lstrip().startswith("{"):
        try:
            return [json.loads("\n".join(lines))], False  # behind comments
        except ValueError:
            pass
    pieces: list[Json] = []
    event, done = "", False
    for line in all_lines:
        if not line.strip() or line.startswith(_EVENT):
            event = line.removeprefix(_EVENT).strip()  # until the blank line that ends it
        elif (said := line.removeprefix(_DATA).strip()) == _DONE:
            done = True
        elif said:
            pieces.append(_error(said) if event == "error" else json.loads(said))
    return pieces, done


def _error(said: str) -> Json:
    """What an event of that name says: an error's object, a reply that holds one, or a sentence."""
    try:
        error: Json = json.loads(said)
    except ValueError:
        error = said
    return error if isinstance(error, dict) and error_in(error) else {"error": error or said}


def _joined(pieces: list[Json], *, done: bool) -> Json:
    """Raises ValueError for pieces of no known stream."""
    # What said why it ends is an answer, whatever words are in other pieces; `done` follows errors, too.
    ended = any(_has_ended(at(one, "choices", 0)) for one in pieces)
    failed = next((one for one in pieces if _is_error(one, bare=not ended)), None)
    if failed is not None:
        return failed
    if len(pieces) > 1 or at(pieces, 0, "choices", 0, "delta") is not None:
        choices = [choice for one in pieces for choice in list_at(one, "choices")[:1]]
        if any(at(choice, member) is not None for choice in choices for member in _MEMBERS):
            return {**_chat(choices, done=done), "usage": _last(at(one, "usage") for one in pieces)}
    if len(pieces) == 1:
        return pieces[0]
    last = pieces[-1] if pieces else None
    if not isinstance(last, dict) or any(text_at(one, "response") is None for one in pieces):
        raise ValueError("no JSON")
    return {**last, "response": "".join(text_at(one, "response") or "" for one in pieces)}


def _is_error(piece: Json, *, bare: bool) -> bool:
    """`bare`: also one that says nothing but a code, as it would be for a whole reply without answers."""
    if not isinstance(piece, dict):
        return False
    bare = bare and not piece.keys() & {"choices", "usage", "response"}
    return error_in(piece) is not None or (bare and fault_of(piece).status is not None)


def _has_ended(choice: Json) -> bool:
    """By itself: one that was broken off says why in the piece that follows."""
    reason = _reason(choice)
    return bool(reason) and ending_of(reason) is not Ending.BROKEN


def _reason(choice: Json) -> Json:
    """Why it ended; None while it says nothing of that: some servers fill the member in every piece."""
    reason = at(choice, "finish_reason")
    return None if ending_of(reason) is Ending.UNTOLD else reason


def _chat(choices: list[Json], *, done: bool) -> dict[str, Json]:
    """OpenAI's chunks as the answer that they are parts of. Raises ValueError for several answers."""
    in_pieces = any(at(choice, "delta") is not None for choice in choices)
    message: dict[str, Json] = {
        "content": _content(choices),
        "refusal": "".join(said for said in _said(choices, "refusal") if isinstance(said, str)),
        "tool_calls": [call for said in _said(choices, "tool_calls") for call in _parts(said)],
        "function_call": _first(call for call in _said(choices, "function_call") if is_call(call)),
    }
    whole: dict[str, Json] = {
        "message": message,
        "finish_reason": _last(map(_reason, choices)) or (CUT if in_pieces and not done else None),
        "native_finish_reason": _last(at(choice, "native_finish_reason") for choice in choices),
        "content_filter_results": _filter_results(choices),
        "error": _first(
            choice["error"] for choice in choices if isinstance(choice, dict) and fault_in(choice)
        ),
    }
    return {"choices": [whole]}


def _content(choices: list[Json]) -> Json:
    """What all deltas say, and messages between them. Beside a delta a message says no more than that does.

    Raises ValueError for several messages that do not belong together.
    """
    if all(_is_empty(at(choice, "delta", "content")) for choice in choices):
        return _of_messages([at(choice, "message", "content") for choice in choices])
    said = [(choice, content) for choice in choices if not _is_empty(content := _piece(choice))]
    last, content = said[-1]
    before = [part for _, piece in said[:-1] for part in _parts(piece)]
    if at(last, "delta") is None and _says_again(_parts(content), before, ends=bool(_reason(last))):
        before = []
    return before + _parts(content)


def _piece(choice: Json) -> Json:
    return at(choice, "message" if at(choice, "delta") is None else "delta", "content")


def _of_messages(contents: list[Json]) -> Json:
    """The last of them, if the others are what it begins with. Raises ValueError."""
    said = [content for content in contents if not _is_empty(content)]
    last = said[-1] if said else None
    for earlier in said[:-1]:
        if earlier != last and not _begins_with(last, earlier):
            raise ValueError("several answers")
    return last


def _begins_with(text: Json, other: Json) -> bool:
    return isinstance(text, str) and isinstance(other, str) and text.strip().startswith(other.strip())


def _says_again(whole: list[Json], parts: list[Json], *, ends: bool) -> bool:
    """Whether a message is all of an answer that was given in pieces; blanks and thoughts may be left out.

    `ends`: that it says why; then it is, where it is no text.
    """
    text, said = _text_of(whole), _text_of(parts)
    if not text:
        return ends
    packed = _packed(said)
    return bool(packed) and (packed in _packed(text) or _packed(text) == _packed(without_thoughts(said)))


def _text_of(parts: list[Json]) -> str:
    return "".join(part if isinstance(part, str) else text_at(part, "text") or "" for part in parts)


def _packed(text: str) -> str:
    return "".join(text.split())


def _parts(said: Json) -> list[Json]:
    return said if isinstance(said, list) else [said]


def _said(choices: list[Json], name: str) -> Iterator[Json]:
    """That member of each piece's delta, or of the message that stands in its place."""
    for choice in choices:
        delta = at(choice, "delta", name)
        yield at(choice, "message", name) if _is_empty(delta) else delta


def _is_empty(value: Json) -> bool:
    return value in (None, "", [])


def _filter_results(choices: list[Json]) -> dict[str, Json]:
    """By filter, those of all pieces: each piece has its own."""
    found: dict[str, Json] = {}
    for choice in choices:
        results = at(choice, "content_filter_results")
        for name, result in results.items() if isinstance(results, dict) else ():
            before = found.get(name)
            more = result if isinstance(result, list) else [result]
            found[name] = [*(before if isinstance(before, list) else []), *more]
    return found


def _first(values: Iterator[Json]) -> Json:
    return next(values, None)


def _last(values: Iterator[Json]) -> Json:
    """The last that says something."""
    return next((value for value in reversed([*values]) if value), None)

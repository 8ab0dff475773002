"""The end that a JSON document lost when it was cut off (modules 2.7)."""

from __future__ import annotations

import re

_PARTIAL_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{0,3}\Z")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}\Z")
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}\Z")
_BEGUN_WORD = re.compile(r"(?:\A|[\[,:\s])(t|tr|tru|f|fa|fal|fals|n|nu|nul)\Z")
_WORDS = ("true", "false", "null")


def complete(text: str) -> str:
    """Valid JSON for every beginning of a valid document; others get what their last character asks for."""
    if not text.strip():
        return "{}"
    stack, in_string = _open_brackets(text)
    text = _closed_string(text) + '"' if in_string else _finished(text.rstrip(), stack)
    if in_string and stack and stack[-1] == "{":
        text += ":null"
    return text + "".join("}" if opened in "{:" else "]" for opened in reversed(stack))


def _open_brackets(text: str) -> tuple[list[str], bool]:
    """What is open at the end: `[`, `{` before a member's colon, `:` after it; and whether a string is."""
    stack: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "{[":
            stack.append(char)
        elif char in "}]":
            if stack:
                stack.pop()
        elif char in ":," and stack and stack[-1] != "[":
            stack[-1] = ":" if char == ":" else "{"
    return stack, in_string


def _closed_string(text: str) -> str:
    """`text`, which ends inside a string, less what cannot stand before the closing quote."""
    if _trailing_backslashes(text, len(text)) % 2:
        text = text[:-1]
    if (match := _PARTIAL_ESCAPE.search(text)) and not _trailing_backslashes(text, match.start()) % 2:
        text = text[: match.start()]
    match = _SURROGATE.search(text)
    if match and not _trailing_backslashes(text, match.start()) % 2 and not _PAIR.search(text):
        text = text[: match.start()]
    return text


def _trailing_backslashes(text: str, end: int) -> int:
    return end - len(text[:end].rstrip("\\"))


def _finished(text: str, stack: list[str]) -> str:
    last = text[-1]
    before = text[-2:-1]
    if last == "{":
        return text
    if last == ":":
        return text + "null"
    if last in "-.+" or (last in "eE" and before.isdigit()):
        return text + "0"
    if last == ",":
        return text[:-1]
    if stack and stack[-1] == "{":
        return text + ":null"
    if match := _BEGUN_WORD.search(text):
        return text + next(word for word in _WORDS if word.startswith(match[1]))[len(match[1]) :]
    return text

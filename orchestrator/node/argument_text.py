"""How contract arguments are written on a command line."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any, Final, NoReturn

from genvm_wire.address import Address
from genvm_wire.calldata import MAX_DEPTH, CalldataError, Value, encode
from orchestrator.node.errors import BadRequest

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")


def parse_argument(text: str) -> Value:
    """The value of one argument. Raises BadRequest.

    `0x` and 40 hex digits: an address. `hex:…`, `b64:…`: bytes. Valid JSON: that value, where one-key objects
    `{"$addr": "0x…"}`, `{"$bytes": "hex"}` and `{"$int": "decimal"}` stand for what JSON lacks.
    Anything else: a string.
    """
    if _ADDRESS.fullmatch(text):
        return Address.from_hex(text)
    try:
        if text.startswith("hex:"):
            return bytes.fromhex(text[4:])
        if text.startswith("b64:"):
            return b64decode(text[4:], validate=True)
    except ValueError as error:
        raise BadRequest(f"argument {text!r:.60} is not bytes: {error}") from None
    return _checked(text, _from_json(text))


def parse_address(text: str) -> Address:
    """Raises BadRequest."""
    if not _ADDRESS.fullmatch(text):
        raise BadRequest(f"{text!r:.60} is not an address: 0x and 40 hex digits")
    return Address.from_hex(text)


def parse_keyword(text: str) -> tuple[str, Value]:
    """`name=value`. Raises BadRequest."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadRequest(f"{text!r:.60} is not NAME=VALUE")
    return name, parse_argument(value)


def parse_json(text: str) -> Value:
    """JSON and nothing else, with the tags of `parse_argument`. Raises BadRequest."""
    try:
        json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{text!r:.60} is not JSON: {error}") from None
    return _checked(text, _from_json(text))


def _from_json(text: str) -> Value:
    try:
        parsed = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text
    return _untag(parsed, 0)


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _untag(parsed: Any, depth: int) -> Value:
    if depth > MAX_DEPTH:
        raise BadRequest("an argument is nested too deeply")
    if isinstance(parsed, float):
        raise BadRequest(f"calldata has no fractions ({parsed}); pass a string or an integer")
    if isinstance(parsed, list):
        return [_untag(item, depth + 1) for item in parsed]
    if not isinstance(parsed, dict):
        checked: Value = parsed
        return checked
    match list(parsed.items()):
        case [("$addr", str(text))]:
            return parse_address(text)
        case [("$bytes", str(text))]:
            return _number_or_bytes(bytes.fromhex, text)
        case [("$int", str(text))]:
            return _number_or_bytes(int, text)
    return {key: _untag(value, depth + 1) for key, value in parsed.items()}


def _number_or_bytes(convert: Any, text: str) -> Value:
    try:
        value: Value = convert(text)
    except ValueError:
        raise BadRequest(f"{text!r:.60} does not fit its tag") from None
    return value


def _checked(text: str, value: Value) -> Value:
    try:
        encode(value)
    except CalldataError as error:
        raise BadRequest(f"argument {text!r:.60} has no calldata form: {error}") from None
    return value

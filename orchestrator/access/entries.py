"""The text of a tokens file: JSON lines, or a YAML list of the same maps. Pure (docs/access.md)."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from orchestrator.access.caller import Caller
from orchestrator.access.scope import Scope
from orchestrator.access.token import Limits, Token

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
HASH = r"^sha256:[0-9a-f]{64}$"
HASH_PREFIX = "sha256:"
MOST_TOKENS = 10_000
# What one can wait for, and what fits a number of the clock's kind.
LEAST_RATE, MOST_BURST = 1e-6, 10**15


class BadTokens(Exception):
    """The tokens cannot be used; the text says what is wrong and where, and never repeats a hash."""


class TokenEntry(BaseModel):
    """One token. The greatest of `scopes` counts; each allows what the ones before it allow."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=NAME)]
    scopes: Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1)]
    namespace: Annotated[str, Field(pattern=NAME)]
    hash: Annotated[str, Field(pattern=HASH, repr=False)]
    requests_per_second: Annotated[float, Field(ge=LEAST_RATE, le=1e6)] | None = None
    requests_burst: Annotated[int, Field(ge=1, le=MOST_BURST)] | None = None
    bytes_per_second: Annotated[float, Field(ge=LEAST_RATE, le=1e12)] | None = None
    bytes_burst: Annotated[int, Field(ge=1, le=MOST_BURST)] | None = None
    runs_per_minute: Annotated[float, Field(ge=LEAST_RATE, le=1e6)] | None = None
    runs_burst: Annotated[int, Field(ge=1, le=MOST_BURST)] | None = None
    permits: Annotated[int, Field(ge=1, le=MOST_BURST)] | None = None

    @field_validator("scopes")
    @classmethod
    def _are_a_token_s(cls, scopes: list[Scope]) -> list[Scope]:
        if Scope.NONE in scopes:
            raise ValueError("must be read, node or operator")
        return scopes

    @property
    def token(self) -> Token:
        scope = max(self.scopes, key=lambda one: one.rank)
        limits = Limits(**{field.name: getattr(self, field.name) for field in fields(Limits)})
        digest = bytes.fromhex(self.hash.removeprefix(HASH_PREFIX))
        return Token(Caller(self.name, scope, self.namespace), digest, limits)


def parse_tokens(text: str) -> list[Token]:
    """The tokens in `text`. All or nothing: raises BadTokens, also when there is none."""
    maps = _maps(text)
    if not maps:
        raise BadTokens("it has no tokens")
    if len(maps) > MOST_TOKENS:
        raise BadTokens(f"it has more than {MOST_TOKENS} tokens")
    tokens = [_entry(number, value).token for number, value in enumerate(maps, 1)]
    for what, values in (
        ("name", [token.caller.name for token in tokens]),
        ("hash", [token.digest for token in tokens]),
    ):
        if twice := _first_repeated(values):
            raise BadTokens(f"token {twice}: its {what} is also an earlier token's")
    return tokens


def line_of(entry: TokenEntry) -> str:
    """An entry as its line of the file; rates that are not set are left out."""
    return json.dumps(entry.model_dump(mode="json", exclude_none=True))


def _maps(text: str) -> list[Any]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        if all(line.lstrip().startswith("{") for line in lines):
            return [json.loads(line) for line in lines]
        found = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise BadTokens(f"it is neither JSON lines nor YAML{_where(error)}") from None
    if not isinstance(found, list):
        raise BadTokens("it is not a list of tokens")
    return found


def _where(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f": look at line {mark.line + 1}"


def _entry(number: int, value: Any) -> TokenEntry:
    try:
        return TokenEntry.model_validate(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "entry"
        raise BadTokens(f"token {number}: {where}: {problem['msg']}") from None


def _first_repeated(values: list[Any]) -> int | None:
    seen = set()
    for number, value in enumerate(values, 1):
        if value in seen:
            return number
        seen.add(value)
    return None

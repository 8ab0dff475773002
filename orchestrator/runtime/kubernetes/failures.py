"""An answer of the API server that is not the one asked for, as one of the port's failures. Pure functions.

The code alone does not say which no is which (a quota and a policy are both 403), so a few texts are looked
at. A message is repeated only where it cannot quote what was sent: a refused Pod's can hold its environment.

    RuntimeFailure
    ├── EngineUnreachable   nothing is known about what was asked for
    │   ├── Busy            the server said "later"; `retry_after` when it said how much later
    │   │   └── Throttled   it has too much to do, and has not begun with it
    │   ├── Unauthorized    the token is not taken: a newer one may be, or by a server that is up by then
    │   └── Unreadable      an answer, but to another question: something on the way may have given it
    │       └── Unsigned    a no of something on the way, which knows nothing of what was asked for
    └── EngineRefused       no, and the same again will be no
        ├── NotFound        there is no such object, or no such namespace
        ├── AlreadyExists   the name is taken, also by an object that is still being deleted
        ├── Conflict        somebody else changed the object since, or it is another one under that name
        ├── Expired         the version asked for is too old: list again
        ├── NoRoom          a quota is used up: yes when something ends
        └── TurnedAway      no answer but a Pod's end: its node had no room; another may get some
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.runtime.port import EngineRefused, EngineUnreachable, RuntimeFailure

MOST_ASKED_S = 30.0
"""A server asks for seconds. A page that something else shows during its maintenance may say an hour, and be
gone in a minute."""
_SHOWN = 200
"""Bytes of an answer of unknown shape."""
_LATER = frozenset({408, 500, 502, 503, 504})
_ABOUT_AN_OBJECT = frozenset({404, 409})
"""Without a Status they are about something else than an object: whoever answered does not know it."""
_HARMLESS_400 = (
    "strict decoding error: unknown field",
    "quantities must match",
    "does not match the namespace",
)


class Busy(EngineUnreachable):
    """The server did not get to it; `retry_after` in seconds where it said so."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Throttled(Busy):
    """The server lets fewer in than want to: nothing has been done, and it is a matter of waiting."""


class NotFound(EngineRefused):
    """There is no such object."""


class AlreadyExists(EngineRefused):
    """The name is taken. A look at the object says by whom, and whether it is going."""


class Conflict(EngineRefused):
    """The object is not any more what the request took it for."""


class Expired(EngineRefused):
    """The resource version is too old to go on from."""


class Unauthorized(EngineUnreachable):
    """The server does not take who we say we are: nothing has been done, and nobody says how anything is."""


class Unreadable(EngineUnreachable):
    """Something on the way may have answered: what was asked for may have been done all the same."""


class Unsigned(Unreadable):
    """A no that is no object of the API server: a proxy's page, its login, which knows of no Pod."""


class NoRoom(EngineRefused):
    """A quota of the namespace is used up; the text names it."""


class TurnedAway(EngineRefused):
    """The node that a Pod was given to did not take it; the same Pod may be taken elsewhere or later."""


def wait_after(failure: RuntimeFailure, least: float) -> float:
    """Seconds until the next try: `least`, or as many more as the server asked for, within reason."""
    asked = failure.retry_after if isinstance(failure, Busy) else None
    return max(min(asked or 0.0, MOST_ASKED_S), least)


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What came back: code, `Retry-After` as it was sent, and the body."""

    status: int
    body: bytes
    retry_after: str | None = None


def json_in(body: bytes) -> object:
    """Raises ValueError, also for what is nested too deep to be anybody's answer."""
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def is_the_servers(answer: ServerAnswer) -> bool:
    """Whether an API server gave it: all but its word that it has too much to do are objects of its own."""
    return answer.status == 429 or _status_object(answer.body) is not None


def failure_of(answer: ServerAnswer) -> RuntimeFailure:
    """The failure that an answer with a code of 300 and more stands for."""
    said = _status_object(answer.body)
    if said is None:
        text = f"{answer.status}: {answer.body[:_SHOWN].decode('utf-8', 'replace').strip()}"
        if answer.status in _ABOUT_AN_OBJECT:
            return Unreadable(text)
        failure = _by_code(answer.status, "", "", text, _seconds(answer.retry_after))
        return Unsigned(text) if type(failure) is EngineRefused else failure
    reason, message = _text(said, "reason"), _text(said, "message")
    retry_after = _seconds(answer.retry_after) or _seconds(_details(said).get("retryAfterSeconds"))
    return _by_code(
        answer.status, reason, message, _worded(answer.status, reason, message, said), retry_after
    )


def expired_in_stream(event: Mapping[str, object]) -> bool:
    """Whether the object of a watch's ERROR event says that its version is too old."""
    return event.get("code") == 410 or event.get("reason") in ("Expired", "Gone")


def _by_code(status: int, reason: str, message: str, text: str, retry_after: float | None) -> RuntimeFailure:
    if status == 429:
        return Throttled(text, retry_after)
    if status in _LATER:
        return Busy(text, retry_after)
    match status, reason:
        case 401, _:
            return Unauthorized(text)
        case 403, _ if "exceeded quota:" in message:
            return NoRoom(text)
        case 404, _:
            return NotFound(text)
        case 409, "AlreadyExists":
            return AlreadyExists(text)
        case 409, _:
            return Conflict(text)
        case 410, _:
            return Expired(text)
        case _:
            return EngineRefused(text)


def _worded(status: int, reason: str, message: str, said: Mapping[str, object]) -> str:
    name = reason or str(status)
    quotes_the_request = status == 422 or (
        status == 400 and not any(mark in message for mark in _HARMLESS_400)
    )
    if not quotes_the_request:
        return f"{name}: {message[:2000]}"
    causes = [
        " ".join(part for part in (_text(cause, "field"), _text(cause, "reason")) if part)
        for cause in _causes(said)
    ]
    return f"{name}: {'; '.join(causes)}" if causes else name


def _status_object(body: bytes) -> Mapping[str, object] | None:
    try:
        parsed = json_in(body)
    except ValueError:
        return None
    if not isinstance(parsed, dict) or parsed.get("kind") != "Status":
        return None
    return parsed


def _details(said: Mapping[str, object]) -> Mapping[str, object]:
    details = said.get("details")
    return details if isinstance(details, Mapping) else {}


def _causes(said: Mapping[str, object]) -> list[Mapping[str, object]]:
    causes = _details(said).get("causes")
    return [cause for cause in causes if isinstance(cause, Mapping)] if isinstance(causes, list) else []


def _text(said: Mapping[str, object], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    """A count of seconds as a header or a body has it; a date is no such thing."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value.strip()[:6])
    return float(value) if isinstance(value, int) and value > 0 else None

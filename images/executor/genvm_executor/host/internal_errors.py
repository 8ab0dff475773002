"""Internal errors in the words that node software looks for (modules 1.10, corrections).

Nodes of the earlier result forms search the text for `causes: ["CODE"`, `fatal: true` and what each provider
answered; a text without these is a broken VM to them, and in the end an error of the transaction. The newest
form is not searched: there the text is the module's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from genvm_wire.host_tables import ResultForm
from genvm_wire.records import field, record

NO_ANSWER = "MODULE_UNAVAILABLE"
"""The connection broke, or what came was no answer."""
NOT_CONNECTED = "MODULE_NOT_CONNECTED"
UNEXPECTED = "INTERNAL"
_STATUS_OF_KIND = {"rate_limit": 429, "server_overloaded": 529, "timeout": 408, "gateway_timeout": 504}
"""For a provider that said so under another status, such as an error within a 200."""
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@record
class Cause:
    """Why nothing could be observed: `codes` outermost first, `ctx` as a module reports it."""

    codes: tuple[str, ...]
    ctx: Mapping[str, object] = field(default_factory=dict)


def reported(text: str) -> Cause:
    """What a module's fatal error names; the text of modules that name nothing is kept whole."""
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return Cause((NO_ANSWER,), {"rust_error": text})
    match error:
        case {"causes": [str(), *_] as causes, **rest}:
            ctx = rest.get("ctx")
            return Cause(tuple(map(str, causes)), ctx if isinstance(ctx, dict) else {})
    return Cause((NO_ANSWER,), {"rust_error": text})


def internal_error_text(form: ResultForm, text: str, cause: Cause) -> str:
    """The `data` of an internal error that is called `text` in logs."""
    if form is ResultForm.C:
        return text
    ctx = dict(cause.ctx) or {"rust_error": text}
    attempts = ctx.pop("attempts", None)
    if isinstance(attempts, list):
        told = [_attempt(one) for one in attempts if isinstance(one, dict)]
        ctx["primary_error"] = told[0] if told else None
        ctx["fallback_error"] = told[-1] if len(told) > 1 else None
    return f"ModuleError {{ causes: {_texts(cause.codes)}, fatal: true, ctx: {_map(ctx)} }}"


def _attempt(one: Mapping[str, object]) -> dict[str, object]:
    """A provider's failure, in the order that the reference has; what is not known is left out."""
    kind = one.get("kind")
    known = {
        "status": one.get("status", _STATUS_OF_KIND.get(str(kind))),
        "model": one.get("model"),
        "provider": one.get("backend"),
        "error_message": ": ".join(str(part) for part in (one.get("cause"), kind) if part is not None),
    }
    return {key: value for key, value in known.items() if value is not None}


def _debug(value: object) -> str:
    """As the reference's language shows a value of its modules' scripts."""
    match value:
        case None:
            return "Nil"
        case bool():
            return f"Bool({str(value).lower()})"
        case int() | float():
            return f"Number({float(value)!r})"
        case Mapping():
            return f"Map({_map(value)})"
        case list():
            return f"Array([{', '.join(map(_debug, value))}])"
    return f"Str({_text(str(value))})"


def _map(fields: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{_text(key)}: {_debug(value)}" for key, value in fields.items()) + "}"


def _texts(texts: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, texts)) + "]"


def _text(text: str) -> str:
    return (
        '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}") for c in text) + '"'
    )

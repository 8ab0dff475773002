"""Errors a module answers with (modules 1.10).

`ModuleError` is the tree's root: `fatal` ones say that the node itself failed and abort the run, the others
are observations about what the contract named and reach the contract. `RequestMalformed` is a request whose
shape is unknown. Everything else that is raised while a request is answered counts as fatal and unclassified.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from genvm_module.values import carried
from genvm_wire.calldata import Encodable, Value

FATAL_TEXT_LIMIT = 4096
MOST_CAUSES = 8
MOST_ITEMS = 16


class ModuleError(Exception):
    """`causes` outermost first; `ctx` values as in the table of modules 1.10 (fractions become text)."""

    def __init__(
        self, causes: str | Sequence[str], *, fatal: bool, ctx: Mapping[str, object] | None = None
    ) -> None:
        self.causes = [causes] if isinstance(causes, str) else list(causes)
        self.fatal = fatal
        self.ctx: dict[str, Value] = {key: carried(value) for key, value in (ctx or {}).items()}
        super().__init__(": ".join(self.causes))

    def wrapped(
        self, cause: str, *, fatal: bool = False, ctx: Mapping[str, object] | None = None
    ) -> ModuleError:
        """The same failure seen one layer further out; fatal when either layer says so."""
        return ModuleError([cause, *self.causes], fatal=self.fatal or fatal, ctx={**self.ctx, **(ctx or {})})

    def lowered(self) -> ModuleError:
        """The same failure as an observation the contract may see."""
        return ModuleError(self.causes, fatal=False, ctx=self.ctx)


class RequestMalformed(ModuleError):
    """A request that is no known variant or has a value of the wrong type."""

    def __init__(self, detail: str) -> None:
        super().__init__(["REQUEST_MALFORMED", detail], fatal=True)


def error_answer(error: ModuleError) -> dict[str, Encodable]:
    """`UserError` with exactly `causes` and `ctx`, or `FatalError` with text for logs only."""
    if not error.fatal:
        return {"UserError": {"causes": list(error.causes), "ctx": dict(error.ctx)}}
    return fatal_answer(error.causes, error.ctx)


def fatal_answer(causes: Sequence[str], ctx: Mapping[str, Value] | None = None) -> dict[str, Encodable]:
    """At most FATAL_TEXT_LIMIT bytes of JSON, whole: executors read it for nodes that want other words."""
    told = _loggable(ctx or {})
    for length in (FATAL_TEXT_LIMIT, 256, 64):
        text = _text([cause[:length] for cause in causes[:MOST_CAUSES]], _shortened(told, length))
        if len(text.encode("utf-8", "replace")) <= FATAL_TEXT_LIMIT:
            break
    else:
        text = _text([cause[:64] for cause in causes[:MOST_CAUSES]], {})
    return {"FatalError": text.encode("utf-8", "replace").decode()}


def _text(causes: Sequence[str], ctx: Value) -> str:
    error = {"causes": list(causes), "fatal": True, "ctx": ctx}
    return json.dumps(error, ensure_ascii=False, separators=(",", ":"), default=str)


def _shortened(value: Value, length: int) -> Value:
    match value:
        case str():
            return value[:length]
        case dict():
            return {key[:length]: _shortened(item, length) for key, item in value.items()}
        case list():
            return [_shortened(item, length) for item in _first_and_last(value)]
    return value


def _first_and_last(values: list[Value]) -> list[Value]:
    """The last of many attempts is the one that node software goes by."""
    return values if len(values) <= MOST_ITEMS else [*values[: MOST_ITEMS - 1], values[-1]]


def _loggable(ctx: Mapping[str, Value]) -> dict[str, Value]:
    """Response headers and bodies may hold anything; of them only the size is told."""
    return {
        key: f"{len(value)} bytes" if isinstance(value, bytes) else value
        for key, value in ctx.items()
        if key not in ("headers", "body")
    }

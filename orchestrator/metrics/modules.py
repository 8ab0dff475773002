"""The llm and web modules: what they told of themselves in their last answer to a ping.

What a module says is not taken for granted: numbers that are none are left out, names are cut, and there are
not more series than an operator's configuration can mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from genvm_wire.calldata import Value
from genvm_wire.unsigned import is_unsigned
from orchestrator.metrics.family import Family, Group, Kind, Sample, words
from orchestrator.metrics.sources import Sources
from orchestrator.modules.kinds import ModuleKind
from orchestrator.modules.status import ModuleState, ModuleStatus

MOST = 2**63 - 1
"""What a module counts; whatever says more is not believed."""

LONGEST_NAME, MOST_NAMES = 100, 200
MODULE = {"module": words(ModuleKind)}
MODEL = {"provider": "a backend's name in the configuration", "model": "a model's name there"}
ANSWERS = {
    "answered": "answered",
    "user_error": "user_errors",
    "fatal_error": "fatal_errors",
    "abandoned": "abandoned",
}
TOKENS = {
    "input": "input_tokens", "output": "output_tokens", "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
}  # fmt: skip
SLOTS = {"used": "slots_used", "waiting": "slots_waiting"}
COUNTED = "; begins anew with each instance of the module"
BOTH = (
    Family("genvm_module_running", Kind.GAUGE, "1 while there is one that runs can use", MODULE),
    Family("genvm_module_wanted", Kind.GAUGE, "1 while there should be", MODULE),
    Family("genvm_module_healthy", Kind.GAUGE, "1 while it says so", MODULE),
    Family("genvm_module_draining_instances", Kind.GAUGE, "replaced ones that runs still use", MODULE),
    Family("genvm_module_restarts_total", Kind.COUNTER, "times that it came back after a crash", MODULE),
    Family("genvm_module_sessions", Kind.GAUGE, "sessions of runs", MODULE),
    Family("genvm_module_sessions_total", Kind.COUNTER, "sessions so far" + COUNTED, MODULE),
    Family("genvm_module_sessions_refused_total", Kind.COUNTER, "sessions over its limit" + COUNTED, MODULE),
    Family(
        "genvm_module_requests_total",
        Kind.COUNTER,
        "requests of contracts, by what they were answered" + COUNTED,
        {**MODULE, "result": words(ANSWERS)},
    ),
)
LLM = (
    Family("genvm_llm_calls_total", Kind.COUNTER, "calls to a provider" + COUNTED, MODEL),
    Family("genvm_llm_call_seconds_total", Kind.COUNTER, "time that they took" + COUNTED, MODEL),
    Family(
        "genvm_llm_failures_total",
        Kind.COUNTER,
        "calls that failed" + COUNTED,
        {**MODEL, "class": "of the failure ([llm](llm.md)): `timeout`, `rate_limit`, `auth_error` and more"},
    ),
    Family(
        "genvm_llm_fallbacks_total",
        Kind.COUNTER,
        "answers that it gave after another model had failed" + COUNTED,
        MODEL,
    ),
    Family(
        "genvm_llm_tokens_total",
        Kind.COUNTER,
        "tokens, as the provider counts" + COUNTED,
        {**MODEL, "kind": words(TOKENS)},
    ),
    Family(
        "genvm_llm_waiting_calls",
        Kind.GAUGE,
        "calls that wait for a slot of a provider",
        {"provider": MODEL["provider"]},
    ),
)
WEB = (
    Family("genvm_web_browser_alive", Kind.GAUGE, "1 while the browser's process answers"),
    Family("genvm_web_browser_restarts_total", Kind.COUNTER, "times that it was started again" + COUNTED),
    Family(
        "genvm_web_browser_slots",
        Kind.GAUGE,
        "pages that may be rendered at a time; absent where the browser is not the module's own",
    ),
    Family(
        "genvm_web_browser_slots_taken",
        Kind.GAUGE,
        "pages that are, and callers that wait",
        {"state": words(SLOTS)},
    ),
    Family(
        "genvm_web_own_troubles_total",
        Kind.COUNTER,
        "requests that failed for a reason on this side" + COUNTED,
    ),
)


def _modules(sources: Sources) -> Iterator[Sample]:
    for kind, status in sources.modules.statuses().items():
        yield from _module(kind.value, status)


def _module(module: str, status: ModuleStatus) -> Iterator[Sample]:
    yield Sample("genvm_module_running", status.state is ModuleState.RUNNING, (module,))
    yield Sample("genvm_module_wanted", status.wanted, (module,))
    yield Sample("genvm_module_healthy", status.healthy, (module,))
    yield Sample("genvm_module_draining_instances", status.draining, (module,))
    yield Sample("genvm_module_restarts_total", status.restarts, (module,))
    yield Sample("genvm_module_sessions", status.sessions, (module,))
    counters = status.counters
    for name in ("sessions_total", "sessions_refused"):
        total = "" if name.endswith("_total") else "_total"
        yield from _number(f"genvm_module_{name}{total}", counters.get(name), (module,))
    for result, name in ANSWERS.items():
        yield from _number("genvm_module_requests_total", counters.get(name), (module, result))


def _llm(sources: Sources) -> Iterator[Sample]:
    for provider, backend in _maps(sources.modules.statuses()[ModuleKind.LLM].counters.get("backends")):
        yield from _number("genvm_llm_waiting_calls", backend.get("waiting"), (provider,))
        for model, totals in _maps(backend.get("models")):
            yield from _model((provider, model), totals)


def _model(labels: tuple[str, str], totals: Mapping[str, Value]) -> Iterator[Sample]:
    yield from _number("genvm_llm_calls_total", totals.get("calls"), labels)
    yield from _number("genvm_llm_call_seconds_total", totals.get("milliseconds"), labels, 1000)
    yield from _number("genvm_llm_fallbacks_total", totals.get("fallbacks"), labels)
    for kind, name in TOKENS.items():
        yield from _number("genvm_llm_tokens_total", totals.get(name), (*labels, kind))
    failures = totals.get("failures")
    for failure, count in list(failures.items())[:MOST_NAMES] if isinstance(failures, dict) else ():
        yield from _number("genvm_llm_failures_total", count, (*labels, failure[:LONGEST_NAME]))


def _web(sources: Sources) -> Iterator[Sample]:
    counters = sources.modules.statuses()[ModuleKind.WEB].counters
    yield from _number("genvm_web_browser_alive", counters.get("webdriver_alive"))
    yield from _number("genvm_web_browser_restarts_total", counters.get("webdriver_restarts"))
    yield from _number("genvm_web_browser_slots", counters.get("slots_limit"))
    for state, name in SLOTS.items():
        yield from _number("genvm_web_browser_slots_taken", counters.get(name), (state,))
    yield from _number("genvm_web_own_troubles_total", counters.get("own_troubles"))


def _number(family: str, value: Value, labels: tuple[str, ...] = (), parts: int = 1) -> Iterator[Sample]:
    if is_unsigned(value, MOST):
        yield Sample(family, value / parts, labels)


def _maps(value: Value) -> Iterator[tuple[str, dict[str, Value]]]:
    seen: set[str] = set()
    for name, inner in value.items() if isinstance(value, dict) else ():
        short = name[:LONGEST_NAME]
        if isinstance(inner, dict) and short not in seen and len(seen) < MOST_NAMES:
            seen.add(short)
            yield short, inner


GROUPS = (
    Group("Modules", BOTH, _modules),
    Group("The llm module (absent until it has answered a ping)", LLM, _llm),
    Group("The web module (absent until it has answered a ping)", WEB, _web),
)

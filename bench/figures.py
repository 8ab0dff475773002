"""The figures that a bar stands for, what the bars are, and the table that people read."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Results = dict[str, float]

CURVE = "curve_"
"""Begins the name of a point: `curve_NAME_X_ms`."""
RETAINED = (100, 1000, 10_000)
"""Ended runs in memory while routes are measured."""


def percentile(values: Sequence[float], part: float) -> float:
    """The value that `part` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def spread(name: str, milliseconds: Sequence[float]) -> Results:
    """Median, 95th and 99th percentile of one kind of time."""
    return {
        f"{name}_p50_ms": statistics.median(milliseconds),
        f"{name}_p95_ms": percentile(milliseconds, 0.95),
        f"{name}_p99_ms": percentile(milliseconds, 0.99),
    }


@dataclass(frozen=True, slots=True)
class Bar:
    """`figure` gives the measured value, `bound` what it is held against; `least`: it must not be below."""

    title: str
    figure: Callable[[Results], float]
    bound: Callable[[Results], float]
    least: bool

    def met(self, results: Results) -> bool:
        figure, bound = self.figure(results), self.bound(results)
        return figure >= bound if self.least else figure <= bound


def _of(name: str) -> Callable[[Results], float]:
    return lambda results: results[name]


def _times(factor: float, name: str) -> Callable[[Results], float]:
    return lambda results: factor * results[name]


def _ratio(above: str, below: str) -> Callable[[Results], float]:
    return lambda results: results[above] / results[below]


def _fixed(value: float) -> Callable[[Results], float]:
    return lambda _: value


def _slowest_route(results: Results) -> float:
    """The least that a route other than /status does at 10,000 retained runs, as a part of that at 100."""
    names = [name.removesuffix("_rps_100") for name in results if name.endswith("_rps_100")]
    others = [name for name in names if not name.startswith("status")]
    parts = [results[f"{name}_rps_10000"] / results[f"{name}_rps_100"] for name in others]
    return min(parts) if parts else results["other_rps_100"]


BARS = (
    Bar("warm start, median ms", _of("warm_start_p50_ms"), _fixed(6), least=False),
    Bar("warm start, p99 ms", _of("warm_start_p99_ms"), _fixed(30), least=False),
    Bar("docker run / warm start", _ratio("docker_run_p50_ms", "warm_start_p50_ms"), _fixed(50), least=True),
    Bar("bare spawn / warm start", _ratio("bare_spawn_p50_ms", "warm_start_p50_ms"), _fixed(30), least=True),
    Bar("warm call to its final status, median ms", _of("call_p50_ms"), _fixed(25), least=False),
    Bar("cold runs/s, 1.5 x SDK loop", _of("cold_rate"), _times(1.5, "sdk_loop_rate_own"), least=True),
    Bar(
        "cold runs/s, 0.9 x SDK loop in a void",
        _of("cold_rate"),
        _times(0.9, "sdk_loop_rate_void"),
        least=True,
    ),
    Bar("pooled runs/s, 0.9 x cold", _of("pool_rate"), _times(0.9, "cold_rate"), least=True),
    Bar(
        "warm start in a Pod, 2.5 x a container's",
        _of("pods_warm_start_p50_ms"),
        _times(2.5, "beside_pods_warm_start_p50_ms"),
        least=False,
    ),
    Bar(
        "warm call in a Pod, 1.6 x a container's",
        _of("pods_call_p50_ms"),
        _times(1.6, "beside_pods_call_p50_ms"),
        least=False,
    ),
    Bar(
        "cold start in a Pod, 2.2 x a container's",
        _of("pods_cold_start_p50_ms"),
        _times(2.2, "beside_pods_cold_start_p50_ms"),
        least=False,
    ),
    Bar(
        "manager ms per run in Pods, 1.5 x",
        _of("pods_manager_cpu_ms_per_run"),
        _times(1.5, "beside_pods_manager_cpu_ms_per_run"),
        least=False,
    ),
    Bar("runs/s with reuse", _of("reuse_rate"), _fixed(80), least=True),
    Bar(
        "a developer's session / plain in process",
        _ratio("developer_docker_session_ms", "developer_plain_session_ms"),
        _fixed(3),
        least=False,
    ),
    Bar("GET /status/s, 1,000 retained", _of("status_rps_1000"), _fixed(2000), least=True),
    Bar("other routes, 10,000 / 100 retained", _slowest_route, _fixed(0.8), least=True),
    Bar("manager MB, 1,000 retained", _of("rss_mb_1000"), _fixed(120), least=False),
)


def table(results: Results) -> str:
    """Bars first, then everything that was measured."""
    lines = [f"{'bar':<42} {'measured':>10} {'bar':>10}"]
    for bar in BARS:
        try:
            figure, bound, met = bar.figure(results), bar.bound(results), bar.met(results)
        except KeyError:
            continue  # that part was not measured
        sign = ">=" if bar.least else "<="
        lines.append(f"{bar.title:<42} {figure:10.1f} {sign} {bound:7.1f}  {'met' if met else 'MISSED'}")
    lines.append("")
    lines += [f"{name:<42} {number:10.1f}" for name, number in sorted(results.items())]
    return "\n".join(lines)


def curves_in(results: Mapping[str, float]) -> dict[str, list[tuple[int, float]]]:
    """The points of each curve, by what grows in it."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name, milliseconds in results.items():
        if name.startswith(CURVE):
            curve, x = name.removeprefix(CURVE).removesuffix("_ms").rsplit("_", 1)
            found.setdefault(curve, []).append((int(x), milliseconds))
    return {curve: sorted(points) for curve, points in found.items()}


def by_clients(results: Mapping[str, float], kind: str) -> list[tuple[int, float]]:
    """Runs per second of one way to run, by how many clients ask at a time."""
    prefix = f"{kind}_rate_"
    found = [
        (int(name.removeprefix(prefix)), rate) for name, rate in results.items() if name.startswith(prefix)
    ]
    return sorted(found)

"""The figures as one picture (needs matplotlib, the extra `bench`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.figures import RETAINED, Results, by_clients, curves_in

STARTS = {
    "warm": "warm_start_p50_ms",
    "cold": "cold_start_p50_ms",
    "process runtime": "process_start_p50_ms",
    "bare spawn": "bare_spawn_p50_ms",
    "docker run": "docker_run_p50_ms",
}
RATES = ("cold", "pool", "reuse", "process")
FIRST_RUN = "first_run_of_"
LOOPS = ("sdk_loop_rate_own", "sdk_loop_rate_void")


def draw(results: Results, path: Path) -> bool:
    """Write a PNG of the parts that were measured; False when there are none, or nothing to draw with."""
    try:
        import matplotlib  # noqa: PLC0415 (it may be missing)
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    panels: list[Callable[[Any, Results], None]] = []
    if any(key in results for key in STARTS.values()):
        panels.append(_starts)
    if any(by_clients(results, kind) for kind in RATES):
        panels.append(_rates)
    if _routes_of(results):
        panels.append(_routes)
    panels += [partial(_curve, name) for name in curves_in(results) if not name.startswith(FIRST_RUN)]
    if any(f"rss_mb_{count}" in results for count in RETAINED):
        panels.append(_memory)
    if not panels:
        return False
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(5 * columns, 4.5 * rows), squeeze=False)
    for panel, axis in zip(panels, axes.flat, strict=False):
        panel(axis, results)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def _starts(axis: Any, results: Results) -> None:
    names = [name for name, key in STARTS.items() if key in results]
    bars = axis.barh(names, [results[STARTS[name]] for name in names], color="tab:blue")
    axis.bar_label(bars, fmt="%.0f ms", padding=3)
    axis.set(xscale="log", xlabel="ms, median", title="Request to first byte at the node")
    axis.invert_yaxis()


def _rates(axis: Any, results: Results) -> None:
    for kind in RATES:
        if points := by_clients(results, kind):
            axis.plot(
                [clients for clients, _ in points], [rate for _, rate in points], marker="o", label=kind
            )
    for name in LOOPS:
        if name in results:
            axis.axhline(results[name], linestyle="--", color="grey", linewidth=1)
            axis.annotate(name, (1, results[name]), fontsize=7, va="bottom")
    axis.set(xscale="log", yscale="log", xlabel="clients", ylabel="runs/s", title="Throughput")
    axis.legend()


def _curve(name: str, axis: Any, results: Results) -> None:
    curves = curves_in(results)
    for label, curve in (("", name), ("first run", FIRST_RUN + name)):
        if points := curves.get(curve):
            axis.plot([x for x, _ in points], [ms for _, ms in points], marker="o", label=label)
    grows = name.replace("_", " ")
    scale = "linear" if points or curves[name][0][0] == 0 else "log"
    axis.set(xscale=scale, ylim=(0, None), xlabel=grows, ylabel="ms, median", title=f"One run, by {grows}")
    if points:
        axis.legend(["kept code", "first run"])


def _memory(axis: Any, results: Results) -> None:
    known = [count for count in RETAINED if f"rss_mb_{count}" in results]
    axis.plot(known, [results[f"rss_mb_{count}"] for count in known], marker="o")
    axis.set(xscale="log", ylim=(0, None), xlabel="retained runs", ylabel="MB resident", title="Manager")


def _routes_of(results: Results) -> list[str]:
    return sorted({key.rsplit("_rps_", 1)[0] for key in results if "_rps_" in key})


def _routes(axis: Any, results: Results) -> None:
    for name in _routes_of(results):
        known = [count for count in RETAINED if f"{name}_rps_{count}" in results]
        axis.plot(known, [results[f"{name}_rps_{count}"] for count in known], marker="o", label=name)
    axis.set(xscale="log", ylim=(0, None), xlabel="retained runs", ylabel="requests/s", title="Routes")
    axis.legend(fontsize=7)

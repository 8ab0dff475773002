"""The figures as one picture (needs matplotlib, the extra `bench`)."""

from __future__ import annotations

from pathlib import Path

from bench.figures import Results, by_clients

STARTS = {
    "warm": "warm_start_p50_ms",
    "cold": "cold_start_p50_ms",
    "process runtime": "process_start_p50_ms",
    "bare spawn": "bare_spawn_p50_ms",
    "docker run": "docker_run_p50_ms",
}
RATES = ("cold", "pool", "reuse", "process")


def draw(results: Results, path: Path) -> bool:
    """Write a PNG; False when there is nothing to draw with."""
    try:
        import matplotlib  # noqa: PLC0415 (it may be missing)
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (starts, rates, routes) = pyplot.subplots(1, 3, figsize=(15, 4.5))
    names = [name for name, key in STARTS.items() if key in results]
    bars = starts.barh(names, [results[STARTS[name]] for name in names], color="tab:blue")
    starts.bar_label(bars, fmt="%.0f ms", padding=3)
    starts.set(xscale="log", xlabel="ms, median", title="Request to first byte at the node")
    starts.invert_yaxis()

    for kind in RATES:
        points = by_clients(results, kind)
        rates.plot([clients for clients, _ in points], [rate for _, rate in points], marker="o", label=kind)
    for name in ("sdk_loop_rate_own", "sdk_loop_rate_void"):
        if name in results:
            rates.axhline(results[name], linestyle="--", color="grey", linewidth=1)
            rates.annotate(name, (1, results[name]), fontsize=7, va="bottom")
    rates.set(xscale="log", yscale="log", xlabel="clients", ylabel="runs/s", title="Throughput")
    rates.legend()

    counts = (100, 1000, 10_000)
    for name in sorted({key.rsplit("_rps_", 1)[0] for key in results if "_rps_" in key}):
        known = [count for count in counts if f"{name}_rps_{count}" in results]
        routes.plot(known, [results[f"{name}_rps_{count}"] for count in known], marker="o", label=name)
    routes.set(xscale="log", ylim=(0, None), xlabel="retained runs", ylabel="requests/s", title="Routes")
    routes.legend(fontsize=7)

    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True

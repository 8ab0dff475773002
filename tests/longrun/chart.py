"""A day's figures as one picture (needs matplotlib, the extra `bench`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Figures = dict[str, Any]

ENDS = ("kill", "detach", "upgrade")
KINDS = ("view", "write", "toil", "judge")
HOURS = (0, 24)


def draw(found: Figures, path: Path) -> None:
    """Write a PNG. Raises ImportError without matplotlib."""
    import matplotlib  # (it may be missing)

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(17, 9), squeeze=False)
    for panel, axis in zip((_runs, _latencies, _faults, _memory, _counts, _disk), axes.flat, strict=True):
        panel(axis, found)
        axis.axvline(found["plan"]["upgrade_at"], color="black", linewidth=1, linestyle="--")
        axis.set(xlim=(0, found["plan"]["hours"]), xlabel="hour of the day")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _runs(axis: Any, found: Figures) -> None:
    bottom = [0] * len(found["hours"])
    hours = [one["hour"] + 0.5 for one in found["hours"]]
    for contract_line in ("v0.2", "v0.3"):
        counts = [one["lines"].get(contract_line, 0) for one in found["hours"]]
        axis.bar(hours, counts, bottom=bottom, label=contract_line, width=0.9)
        bottom = [low + count for low, count in zip(bottom, counts, strict=True)]
    axis.set(title="Runs by hour and contract line; dashed: the upgrade", ylabel="runs")
    axis.legend()


def _latencies(axis: Any, found: Figures) -> None:
    for kind, colour in zip(KINDS, ("tab:blue", "tab:green", "tab:orange", "tab:red"), strict=True):
        known = [
            (one["hour"] + 0.5, one["seconds"][kind]) for one in found["hours"] if kind in one["seconds"]
        ]
        hours = [hour for hour, _ in known]
        axis.plot(hours, [spread["p50"] for _, spread in known], color=colour, marker="o", label=kind)
        axis.plot(hours, [spread["p99"] for _, spread in known], color=colour, linewidth=0.8, linestyle=":")
    axis.set(yscale="log", ylabel="s", title="From request to final status: median, dotted 99th percentile")
    axis.legend()


def _faults(axis: Any, found: Figures) -> None:
    kinds = sorted({kind for _, kind in found["struck"]})
    axis.scatter(
        [hour for hour, _ in found["struck"]], [kinds.index(kind) for _, kind in found["struck"]], s=14
    )
    axis.set_yticks(range(len(kinds)), kinds)
    axis.set(title="Faults")


def _by_life(axis: Any, found: Figures, name: str, **style: Any) -> None:
    """A line for each manager: where one ends, the line does."""
    lives: dict[int, list[Figures]] = {}
    for one in found["moments"]:
        lives.setdefault(one["life"], []).append(one)
    for life in lives.values():
        axis.plot([one["hour"] for one in life], [one[name] for one in life], **style)
        style.pop("label", None)


def _memory(axis: Any, found: Figures) -> None:
    _by_life(axis, found, "resident_mb", color="tab:blue", marker=".", linewidth=1)
    axis.set(ylim=(0, None), ylabel="MB resident", title="The manager's memory; each line is one manager")


def _counts(axis: Any, found: Figures) -> None:
    for name, colour in (
        ("descriptors", "tab:blue"), ("tasks", "tab:green"),
        ("threads", "tab:orange"), ("containers", "tab:red"),
    ):  # fmt: skip
        _by_life(axis, found, name, color=colour, linewidth=1, label=name)
    axis.set(ylim=(0, None), title="Descriptors, tasks, threads of the manager; containers")
    axis.legend()


def _disk(axis: Any, found: Figures) -> None:
    for name, colour in (("journal_mb", "tab:blue"), ("disk_mb", "tab:grey")):
        _by_life(axis, found, name, color=colour, linewidth=1, label=name.removesuffix("_mb"))
    free = axis.twinx()
    _by_life(free, found, "permits_free", color="tab:orange", linewidth=0.8, label="free permits")
    free.set(ylim=(0, None), ylabel="permits")
    axis.set(ylim=(0, None), ylabel="MB", title="The journal and the state directory; free permits (orange)")
    axis.legend()

"""The questions that are asked of the model, one table each (docs/scaling.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bench.figures import percentile
from bench.scaling.model import Found, Site, World
from bench.scaling.service import ServiceTimes

EACH = 0.05
"""Runs that a node sends a second."""
LASTING = 60.0
"""Seconds of steady traffic."""
A_BURST = 64
CLUSTER = Site(managers=1, machines=10, cores=8, permits=320, pool=8, creates_per_second=50.0, together=False)
"""A cluster as people have it. 50 creations a second are an assumption, not a measurement."""
SCHEDULING = 0.3
"""Seconds from a Pod's creation until its containers may start: an assumption, too."""

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: Row
    rows: list[Row]

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", _line(self.head), _line(("---",) * len(self.head))]
        return "\n".join([*lines, *(_line(row) for row in self.rows)])


def tables(times: ServiceTimes, bytes_per_run: float) -> Iterator[Table]:
    """All of them; some minutes of computing at most."""
    cluster = replace(times, scheduling=SCHEDULING)
    yield _varied(
        "Nodes on one machine",
        "nodes",
        {str(nodes): (nodes, Site()) for nodes in (1, 10, 50, 100, 200)},
        times,
    )
    yield _varied(
        "Nodes on a cluster with one manager",
        "nodes",
        {str(nodes): (nodes, CLUSTER) for nodes in (1, 10, 100, 300, 1000)},
        cluster,
    )
    yield _varied(
        "Managers for 1,000 nodes, on four times the machines",
        "managers",
        {
            str(managers): (1000, replace(CLUSTER, managers=managers, machines=40, permits=1280))
            for managers in (1, 2, 3, 5, 10, 20)
        },
        cluster,
    )
    yield _varied(
        "The same with instances that serve many runs",
        "managers",
        {
            str(managers): (
                1000,
                replace(CLUSTER, managers=managers, machines=40, permits=1280, creates_per_second=None),
            )
            for managers in (1, 2, 3, 5, 10, 20)
        },
        replace(cluster, starting=0.0, removing=0.0, scheduling=0.0),
    )
    yield _bursts(times)
    yield _failures(times)
    yield a_million(times, bytes_per_run)


def _varied(title: str, what: str, sites: dict[str, tuple[int, Site]], times: ServiceTimes) -> Table:
    rows = []
    for name, (nodes, site) in sites.items():
        found = World(site, times).steady(nodes, EACH, LASTING)
        rows.append((name, f"{nodes * EACH:g}", *_figures(found)))
    return Table(
        title, (what, "runs/s asked", "runs/s", "median s", "p99 s", "saturates first", "busy"), rows
    )


def _figures(found: Found) -> Row:
    return (
        f"{found.rate:.1f}",
        f"{percentile(found.waits, 0.5):.2f}",
        f"{percentile(found.waits, 0.99):.2f}",
        found.saturated,
        f"{found.busy[found.saturated]:.0%}",
    )


def _bursts(times: ServiceTimes) -> Table:
    rows: list[Row] = []
    for pool in (0, 4, 16, 64):
        found = World(Site(pool=pool, permits=A_BURST), times).burst(A_BURST)
        rows.append(
            (
                str(pool),
                f"{found.warm / found.attempts:.0%}",
                f"{percentile(found.waits, 0.5):.2f}",
                f"{found.waits[-1]:.2f}",
            )
        )
    return Table(
        f"{A_BURST} runs at once on one machine", ("pool", "found one ready", "median s", "last s"), rows
    )


def _failures(times: ServiceTimes) -> Table:
    rows: list[Row] = []
    for failing in (0.0, 0.01, 0.05, 0.2):
        found = World(Site(failing=failing), times).steady(100, EACH, LASTING)
        rows.append(
            (
                f"{failing:.0%}",
                f"{found.attempts / found.runs:.2f}",
                f"{percentile(found.waits, 0.5):.2f}",
                f"{percentile(found.waits, 0.99):.2f}",
            )
        )
    return Table(
        "Instances that fail, on one machine with 100 nodes",
        ("fail", "attempts per run", "median s", "p99 s"),
        rows,
    )


def a_million(times: ServiceTimes, bytes_per_run: float) -> Table:
    """What so many runs take altogether; nothing is simulated here."""
    million = 1_000_000
    costs: dict[str, Callable[[], str]] = {
        "processor hours, instances": lambda: f"{million * times.machine / 3600:,.0f}",
        "processor hours, instances that serve many runs": lambda: f"{million * times.contract / 3600:,.0f}",
        "processor hours, managers": lambda: f"{million * times.manager / 3600:,.1f}",
        "commits, at most": lambda: f"{3 * million:,}",
        "journal, if nothing were forgotten": lambda: f"{million * bytes_per_run / 1e9:,.1f} GB",
    }
    return Table("A million runs", ("what", "how much"), [(name, cost()) for name, cost in costs.items()])


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |"

"""`docs/metrics.md`, made from what the metrics say of themselves: `python -m orchestrator.metrics.page`."""

from __future__ import annotations

from pathlib import Path

from orchestrator.metrics.family import Family, Group
from orchestrator.metrics.groups import GROUPS

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

HEAD = """\
# Metrics

Made by `make metrics-page` from `orchestrator/metrics/`; a test compares the two.

`GET /metrics` has them as text for Prometheus. Where the manager has tokens, the scraper needs one with scope
`read` ([access](access.md)); in its configuration that is `authorization: {credentials_file: …}`. Figures are
kept where they arise and read at the scrape: a run pays some 6 µs for its own, of 8 ms of
the manager's processor time: 0.1 %.

`examples/monitoring/` has what goes around it: `alerts.yaml` (rules, tested by `alerts_test.yaml` with
`promtool test rules`), `dashboard.json` (for Grafana), and `prometheus.yaml`, with which
`docker compose --profile prometheus up` starts a Prometheus beside the manager ([compose](../compose.yaml)).
What to do about an alert is in the [runbook](runbook.md#alerts).

Counters begin at 0 with each manager: ask for their `rate` or `increase`. No label has an id, a host or a
contract's address. Beside what follows there are the usual `process_*` metrics: processor time, memory, open
files and the moment of the start.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return HEAD + "".join(_section(group) for group in GROUPS)


def _section(group: Group) -> str:
    head = "| metric | kind | what | labels |\n|---|---|---|---|\n"
    return f"\n## {group.title}\n\n{head}" + "".join(_row(family) for family in group.families)


def _row(family: Family) -> str:
    labels = "<br>".join(f"`{name}`: {about}" for name, about in family.labels.items())
    return f"| `{family.name}` | {family.kind} | {family.about} | {labels} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

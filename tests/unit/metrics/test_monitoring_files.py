"""What goes around the metrics: rules and dashboard know them, and Prometheus's own tool reads both."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.metrics.family import Kind
from orchestrator.metrics.groups import GROUPS
from tests.unpacked import unpacked

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "examples" / "monitoring"
ALERTS, TESTS = MONITORING / "alerts.yaml", MONITORING / "alerts_test.yaml"
FAMILIES = {family.name: family for group in GROUPS for family in group.families}
NAMED = re.compile(r"\b((?:genvm|process)_[a-z_]+)(?:\{([^}]*)\})?")
MATCHED = re.compile(r'(\w+)\s*=~?\s*"')
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds."""


@pytest.fixture(scope="module")
def promtool() -> str:
    return unpacked("promtool")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> list[str]:
    panels = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


EXPRESSIONS = [rule["expr"] for rule in rules()] + queries()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_metrics_that_there_are_by_labels_that_they_have(expression: str) -> None:
    for name, matchers in NAMED.findall(expression):
        if name.startswith("process_"):
            continue
        family = FAMILIES.get(name) or FAMILIES[re.sub(r"_(bucket|sum|count)$", "", name)]
        assert (name != family.name) == (family.kind is Kind.HISTOGRAM)
        assert set(MATCHED.findall(matchers)) <= {*family.labels, *SCRAPED}


def test_prometheus_reads_the_dashboards_queries(promtool: str, tmp_path: Path) -> None:
    def plain(query: str) -> str:
        return query.replace("$__rate_interval", "5m").replace("$instance", ".*")

    recorded = [{"record": f"query:{n}", "expr": plain(query)} for n, query in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}))
    _check(promtool, "check", "rules", file)


def test_prometheus_reads_its_configuration_and_the_rules(promtool: str) -> None:
    _check(promtool, "check", "config", MONITORING / "prometheus.yaml")


def test_each_alert_is_raised_by_what_it_is_for(promtool: str) -> None:
    _check(promtool, "test", "rules", TESTS)


def test_each_alert_is_tested_in_both_ways_and_is_in_the_runbook() -> None:
    names = [rule["alert"] for rule in rules()]
    tested = [
        (one["name"], bool(_expected(one))) for one in yaml.safe_load(TESTS.read_text("utf-8"))["tests"]
    ]
    assert tested == [pair for name in names for pair in ((f"{name} raised", True), (f"{name} quiet", False))]
    runbook = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    assert [name for name in names if f"`{name}`" not in runbook] == []


def _expected(test: dict[str, Any]) -> list[Any]:
    (asked,) = test["alert_rule_test"]
    assert asked["alertname"] == test["name"].split()[0]
    expected: list[Any] = asked["exp_alerts"]
    return expected


def _check(promtool: str, *arguments: str | Path) -> None:
    ended = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr

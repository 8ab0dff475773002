"""The profiles of compose.yaml, started for real: the journal in PostgreSQL, figures in Prometheus."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e import composed, stand_ins
from tests.e2e.composed import ROOT, Deployment, health
from tests.until import wait_until

FILES = (ROOT / "compose.yaml", Path(__file__).with_name("stand_ins_profiles.yaml"))
COUNTER = ROOT / "examples" / "counter.py"
DATABASE = "postgresql+psycopg://genvm@/genvm?host=/var/run/postgresql"
ROWS = "SELECT count(*) FROM genvm_runs"


@pytest.fixture
def project(engine: docker.APIClient, executor_image: str) -> Iterator[Deployment]:
    """Up with both profiles, and healthy."""
    with (
        stand_ins.images(engine, (stand_ins.postgresql(), stand_ins.prometheus())) as variables,
        composed.deployment(
            engine,
            *FILES,
            variables=variables
            | {
                "COMPOSE_PROFILES": "postgresql,prometheus",
                "GENVM_DATABASE_URL": DATABASE,
                "GENVM_PROMETHEUS_PORT": str(composed.free_port()),
            },
        ) as made,
    ):
        made.compose("up", "--detach")
        wait_until(lambda: health(engine, made.container()) == "healthy")
        yield made


def told(project: Deployment, path: str) -> Any:
    """What Prometheus answers."""
    port = project.variables["GENVM_PROMETHEUS_PORT"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=30) as answer:
        return json.load(answer)["data"]


def test_runs_are_in_the_database_and_their_figures_in_prometheus(
    engine: docker.APIClient, project: Deployment
) -> None:
    deployed = project.contract("deploy", str(COUNTER), "5")
    assert deployed["kind"] == "Return", deployed
    asked = ["psql", "--username=genvm", "--dbname=genvm", "--no-align", "--tuples-only", f"--command={ROWS}"]
    assert project.compose("exec", "-T", "postgresql", *asked).strip() == "1"
    assert not (project.state_dir / "journal.sqlite").exists()

    def scraped() -> bool:
        found = told(project, "query?query=sum(genvm_runs_ended_total)")["result"]
        return bool(found and found[0]["value"][1] == "1")

    wait_until(scraped)
    (target,) = told(project, "targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    # Not whether one is raised: it may have looked for the manager before that was there.
    assert told(project, "rules")["groups"]

"""The chart's texts: its table of values, its version, its scripts, the rights that it documents."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from helm import values_table
from orchestrator.version import VERSION
from tests.helm.chart import CHART, EXAMPLES, ROOT

VALUES = (CHART / "values.yaml").read_text("utf-8")


def test_the_readmes_table_is_current() -> None:
    """`python helm/values_table.py` writes it."""
    readme = (CHART / "README.md").read_text("utf-8")
    assert values_table.updated(readme, values_table.rows(VALUES)) == readme


def test_the_readme_names_every_example() -> None:
    readme = (CHART / "README.md").read_text("utf-8")
    assert [file.name for file in sorted(EXAMPLES.glob("*.yaml")) if file.name not in readme] == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("a: 1\n", "a has no comment", id="a value without a comment"),
        pytest.param("# -- Is\na:\n  b: 1\n# -- Was\n", "", id="a map with one of its own"),
        pytest.param("# -- Is\na: 1\nb:\n  c: {}\n", "b.c has no comment", id="one below"),
    ],
)
def test_every_value_has_a_comment(source: str, text: str) -> None:
    if not text:
        assert values_table.rows(source) == [values_table.Row("a", '{"b": 1}', "Is")]
        return
    with pytest.raises(values_table.Uncommented, match=text):
        values_table.rows(source)


def test_the_chart_is_of_the_projects_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == VERSION


def test_the_test_contract_is_the_example() -> None:
    ours, theirs = CHART / "files" / "counter.py", ROOT / "examples" / "counter.py"
    assert ours.read_bytes() == theirs.read_bytes()


class Manager(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def listening() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Manager) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHART / "files" / name), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_readiness_script_asks_the_manager() -> None:
    with listening() as port:
        ended = script("ready.py", f"http://127.0.0.1:{port}")
    assert (ended.returncode, ended.stdout) == (0, "ready\n")


@pytest.mark.parametrize(("mode", "code"), [("report", 0), ("fail", 1)])
def test_the_isolation_script_says_what_it_reached(mode: str, code: int) -> None:
    with listening() as port, socket.create_server(("127.0.0.1", 0)) as other:
        elsewhere = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        ended = script("isolation.py", mode, f"127.0.0.1:{other.getsockname()[1]}", **elsewhere)
    assert ended.returncode == code
    assert ended.stdout.count("REACHED") == 2
    assert "THE NETWORK POLICY DOES NOT HOLD" in ended.stdout


def test_the_isolation_script_is_content_where_nothing_is_reached() -> None:
    nowhere = {"KUBERNETES_SERVICE_HOST": "nobody.invalid", "KUBERNETES_SERVICE_PORT": "443"}
    ended = script("isolation.py", "fail", "nobody.invalid:3999", **nowhere)
    assert (ended.returncode, "the network policy holds" in ended.stdout) == (0, True)

"""Helm's own engine in a process of its own: `python -m tests.helm.engine`, a line of JSON in, a line out.

It is a Go library, whose runtime takes over signals and starts threads: not in the process of other tests.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from helm_python import Chart, Config, HelmError, lint

from tests.helm.chart import NAMESPACE, RELEASE
from tests.helm.discovery import Discovery


def installed(chart: Chart, order: dict[str, Any], server: Discovery) -> Any:
    """What would be sent to a cluster of that version, with those namespaces."""
    server.version, server.namespaces = order["version"], order["namespaces"]
    server.policies = order["policies"]
    with Config(
        kubeconfig_content=server.kubeconfig(), namespace=NAMESPACE, storage_driver="memory"
    ) as config:
        return config.install(chart, RELEASE, order["values"], namespace=NAMESPACE, dry_run="server")


def done(chart: Chart, path: str, server: Discovery, order: dict[str, Any]) -> Any:
    match order["do"]:
        case "render":
            return chart.render(order["values"], name=order["release"], namespace=order["namespace"])
        case "install":
            return installed(chart, order, server)
        case _:
            return lint(path, order["values"], strict=True, kube_version=order["version"])


def main(path: str) -> None:
    with Chart.load(path) as chart, Discovery() as server:
        for line in sys.stdin:
            order = json.loads(line)
            answer: dict[str, Any]
            try:
                answer = {"said": done(chart, path, server, order)}
            except HelmError as error:
                answer = {"refused": str(error)}
            print(json.dumps(answer), flush=True)


main(sys.argv[1])

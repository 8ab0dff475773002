"""The chart as Helm renders it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "genvm-orchestrator"
EXAMPLES = ROOT / "helm" / "examples"
VERSIONS = ("v1.29.15", "v1.33.4", "v1.36.2")
"""Of Kubernetes: the oldest that the chart takes, one in between, the one that the project knows best."""

NONE: dict[str, dict[str, str]] = {}
RELEASE, NAMESPACE = "demo", "genvm"

Object = dict[str, Any]


def combinations() -> dict[str, dict[str, Any]]:
    """Values by the name of the example that documents them."""
    files = sorted(EXAMPLES.glob("*.yaml"))
    return {"defaults": {}} | {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in files}


class Refused(Exception):
    """Helm renders nothing; the text is Helm's."""


@dataclass(frozen=True)
class Rendered:
    """What one set of values gives; `sources` by the template's path."""

    sources: dict[str, str]

    @cached_property
    def objects(self) -> list[Object]:
        """In the order of the templates' names."""
        texts = [text for path, text in sorted(self.sources.items()) if path.endswith(".yaml")]
        return objects_in("\n---\n".join(texts))

    @property
    def notes(self) -> str:
        return self.sources["genvm-orchestrator/templates/NOTES.txt"]

    def of_kind(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def named(self, kind: str, ending: str) -> Object:
        (found,) = [one for one in self.of_kind(kind) if one["metadata"]["name"].endswith(ending)]
        return found

    @property
    def pods(self) -> dict[str, Object]:
        """The specs of all Pods by their name or their owner's."""
        owners = [*self.of_kind("StatefulSet"), *self.of_kind("Job")]
        owned = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in owners}
        return owned | {one["metadata"]["name"]: one["spec"] for one in self.of_kind("Pod")}

    @property
    def manager(self) -> Object:
        (found,) = self.of_kind("StatefulSet")
        return found

    def environment(self) -> dict[str, Object]:
        """The manager's variables by name."""
        (container,) = self.manager["spec"]["template"]["spec"]["containers"]
        return {one["name"]: one for one in container["env"]}


def objects_in(text: str) -> list[Object]:
    return [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one is not None]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


class HelmEngine:
    """Use as a context manager; answers one order after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.helm.engine", str(CHART)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> HelmEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def render(self, values: dict[str, Any], release: str = RELEASE, namespace: str = NAMESPACE) -> Rendered:
        """Raises Refused."""
        return Rendered(self._ask(do="render", values=values, release=release, namespace=namespace))

    def install(
        self,
        values: dict[str, Any],
        version: str,
        namespaces: dict[str, dict[str, str]] | None = NONE,
        policies: Sequence[Object] = (),
    ) -> tuple[list[Object], str]:
        """What a cluster of that version would be sent, hooks excepted, and the notes. Raises Refused.

        `namespaces`: the labels of those that there are; null: who installs may not look at them.
        `policies`: the NetworkPolicies that are there, of other releases.
        """
        said = self._ask(
            do="install", values=values, version=version, namespaces=namespaces, policies=list(policies)
        )
        return objects_in(said["manifest"]), said["notes"]

    def lint(self, values: dict[str, Any], version: str) -> Any:
        return self._ask(do="lint", values=values, version=version)

    def _ask(self, **order: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["said"]
